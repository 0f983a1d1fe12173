"""Values of CSV and JSON Lines files that could be taken for something else."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from tests.conftest import Invoked, ProjectFolder

Cli = Callable[..., Invoked]


@pytest.mark.parametrize("packed", [False, True])
def test_undeclared_codes_are_written_back(folder: ProjectFolder, cli: Cli, packed: bool) -> None:
    source = "{kind: source, options: {compression: gzip}}" if packed else "{kind: source}"
    folder.write("lakehouse.yaml", f"name: ids\nmodule: transforms\ntables:\n  s: {source}\n  out: {{inputs: [s]}}\n")
    folder.write("transforms.py", "def out(s):\n    return s\n")
    text = "code,commit,version,price\n1E5,1234567,1.10,1.5\n2E7,12345e7,1.20,2.25\n12E3,7654321,2.00,-3.0\n"
    if packed:
        (folder.path / "data").mkdir()
        (folder.path / "data/s.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.encode()))
    else:
        folder.write("data/s.csv", text)
    assert cli("run").code == 0
    assert folder.read("data/out.csv") == text
    shown = cli("show", "s", "-o", "json").json
    assert [column["type"] for column in shown["columns"]] == ["string", "string", "string", "float64"]
