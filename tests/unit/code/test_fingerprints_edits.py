"""Edits of one module: those that change a fingerprint and those that do not.

Each case in ``tests/corpus/edits`` is a module before and after an edit, ``«old→new»``; ``---`` is between two cases.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from lakehouse_cli.code.fingerprints import CodeFingerprint
from lakehouse_cli.code.fingerprints.fingerprint import Fingerprinter
from lakehouse_cli.code.source import SourceReader
from lakehouse_cli.model import FunctionRef

CORPUS = Path(__file__).parents[2] / "corpus" / "edits"
EDIT = re.compile("«([^→]*)→([^»]*)»")


def cases(kind: str) -> list[str]:
    found = []
    for file in sorted((CORPUS / kind).glob("*.txt")):
        if file.stem != "python_3_12" or sys.version_info >= (3, 12):
            found += file.read_text(encoding="utf-8").split("\n---\n")
    return found


def before_and_after(folder: Path, case: str) -> tuple[CodeFingerprint, CodeFingerprint]:
    assert len(EDIT.findall(case)) == 1
    found = []
    for side in (1, 2):
        code = EDIT.sub(lambda match, side=side: match[side], case)
        (folder / "transforms.py").write_text(code, encoding="utf-8")
        found.append(Fingerprinter(folder, SourceReader(folder)).of(FunctionRef("transforms", "daily")))
    return found[0], found[1]


@pytest.mark.parametrize("case", cases("matters"))
def test_edits_that_matter(tmp_path: Path, case: str) -> None:
    before, after = before_and_after(tmp_path, case)
    assert before.hash != after.hash
    assert before.parts != after.parts


@pytest.mark.parametrize("case", cases("ignored"))
def test_edits_that_do_not(tmp_path: Path, case: str) -> None:
    before, after = before_and_after(tmp_path, case)
    assert before == after
