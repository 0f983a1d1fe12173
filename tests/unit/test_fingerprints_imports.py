"""Which file an import leads to, as Python would take it on a run, and what cannot be told of imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_cli.fingerprints import CodeFingerprint, Fingerprinter, explain
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.source_code import SourceReader


def fingerprint(folder: Path, files: dict[str, str]) -> CodeFingerprint:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Fingerprinter(folder, SourceReader(folder)).of(FunctionRef("transforms", "daily"))


def test_a_package_hides_a_module_of_its_name(tmp_path: Path) -> None:
    files = {"transforms.py": "from x import f\ndef daily(raw): return f()\n", "x.py": "def f(): return 1\n"}
    module = fingerprint(tmp_path, files)
    package = fingerprint(tmp_path, {"x/__init__.py": "def f(): return 2\n"})
    assert "x/__init__.py:f" in package.parts
    assert package.hash != module.hash
    assert fingerprint(tmp_path, {"x.py": "def f(): return 3\n"}) == package
    assert fingerprint(tmp_path, {"x/__init__.py": "def f(): return 3\n"}) != package


def test_compiled_code_hides_a_source_of_its_name(tmp_path: Path) -> None:
    files = {"transforms.py": "import x\ndef daily(raw): return x.f()\n", "x.py": "def f(): return 1\n"}
    found = [fingerprint(tmp_path, files | more).hash for more in ({}, {"x.abi3.so": "1"}, {"x.abi3.so": "2"})]
    assert len(set(found)) == 3


def test_the_standard_library_comes_before_the_project(tmp_path: Path) -> None:
    files = {"transforms.py": "import calendar\ndef daily(raw): return calendar.monthrange(raw, 1)\n"}
    alone = fingerprint(tmp_path, files)
    assert fingerprint(tmp_path, {"calendar.py": "def monthrange(year, month): return 1\n"}) == alone


def test_a_name_that_only_other_systems_standard_libraries_have_is_the_projects(tmp_path: Path) -> None:
    files = {"transforms.py": "import nt\ndef daily(raw): return nt.f()\n", "nt.py": "def f(): return 1\n"}
    before = fingerprint(tmp_path, files)
    assert "nt.py:f" in before.parts
    assert fingerprint(tmp_path, {"nt.py": "def f(): return 2\n"}) != before
