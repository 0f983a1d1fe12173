"""Columns that are not declared, and that partitions of a table have otherwise."""

from __future__ import annotations

from tests.conftest import Cli, ProjectFolder

TABLES = """s: {kind: source, path: "s_{day:%%Y-%%m-%%d}", columns: {id: int64}}
t: {partitions: [day], inputs: [s]%s}
"""
NULLS = "def t(s):\n    return s.assign(n=None if len(s) < 2 else 1)\n"


def test_hint_of_partitions_that_cannot_be_read_together_works(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(TABLES % "", NULLS)
    folder.write("data/s_2024-01-01.csv", "id\n7\n")
    folder.write("data/s_2024-01-02.csv", "id\n7\n7\n")
    assert cli("run").code == 0
    shown = cli("show", "t")
    assert (shown.code, "stores it anew" in shown.err) == (1, False)
    assert "declare all `columns:` of `t`" in shown.err
    assert "then `lakehouse run --force t`" in shown.err
    folder.declare(TABLES % ", columns: {id: int64, day: string, n: int64}", NULLS)
    assert cli("run", "--force", "t").code == 0
    assert len(cli("show", "t", "-o", "json").json["rows"]) == 3
