"""Every declaration of docs/other-peoples-files.md, and the files that programs exported, in tests/corpus/exports.

A section ``## PROGRAM`` has one block of YAML, and the folder of its name in lower case has the files that it reads and
``expected.json``: of each table the rows, in the words of ``lakehouse show -o json``, as the program was given them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Invoked, ProjectFolder

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "tests" / "corpus" / "exports"
PAGE = ROOT / "docs" / "other-peoples-files.md"
#: A heading of a program, the text before its first block of YAML, and the block.
_SECTION = re.compile(r"^## (.+)\n(?:(?!## ).*\n)*?```yaml\n((?:.*\n)*?)```$", re.MULTILINE)


def declarations() -> dict[str, str]:
    """The YAML of each program's section, by the name of the program's folder."""
    return {program.lower(): text for program, text in _SECTION.findall(PAGE.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("program", declarations())
def test_declaration_reads_the_program_s_files(
    program: str, folder: ProjectFolder, cli: Callable[..., Invoked]
) -> None:
    (folder.path / "lakehouse.yaml").write_text(f"name: exports\nmodule: transforms\n{declarations()[program]}")
    (folder.path / "transforms.py").touch()
    shutil.copytree(CORPUS / program, folder.path / "data" / program)
    expected = json.loads((CORPUS / program / "expected.json").read_text(encoding="utf-8"))
    assert cli("validate").code == 0
    assert [table["name"] for table in cli("ls", "-o", "json").json["tables"]] == list(expected)
    for table, rows in expected.items():
        shown = cli("show", table, "--rows", "1000", "-o", "json")
        assert shown.code == 0, shown.err
        assert [list(row.values()) for row in shown.json["rows"]] == rows


def test_each_section_has_a_folder_and_a_declaration() -> None:
    sections = re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(section.lower() for section in sections) == sorted(path.name for path in CORPUS.iterdir())
    assert sorted(section.lower() for section in sections) == sorted(declarations())
