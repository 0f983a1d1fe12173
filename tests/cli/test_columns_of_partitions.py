"""Columns that are not declared, and that partitions of a table have otherwise."""

from __future__ import annotations

import pytest

from tests.conftest import Cli, ProjectFolder

TABLES = """s: {kind: source, path: "s_{day:%%Y-%%m-%%d}", columns: {kind: string}}
t: {partitions: [day], inputs: [s]%s}
"""
# What a day has in the column `n` is said by its file.
KINDS = {
    "int": "s.assign(n=1)",
    "float": "s.assign(n=1.5)",
    "text": "s.assign(n='x')",
    "null": "s.assign(n=None)",
    "lacks": "s",
    "more": "s.assign(n=1, m=2)",
    "order": "s.assign(n=1)[['n', 'kind']]",
    "none": "s.assign(n=1).head(0)",
}
CODE = f"def t(s):\n    return {{{', '.join(f'{k!r}: lambda s: {v}' for k, v in KINDS.items())}}}[s['kind'][0]](s)\n"


def put(folder: ProjectFolder, day: int, kind: str) -> None:
    folder.write(f"data/s_2024-01-{day:02}.csv", f"kind\n{kind}\n")


@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.parametrize("form", [", format: csv", ", storage: base", ", storage: lake"])
def test_partition_of_other_columns_is_not_stored(folder: ProjectFolder, cli: Cli, form: str, executor: str) -> None:
    storages = (
        "storages: {default: {root: data}, base: {type: sqlite, root: b.sqlite}, lake: {type: delta, root: lake}}\n"
    )
    folder.declare(TABLES % form, CODE, top=storages)
    for day, kind in enumerate(("int", "text", "lacks", "more", "order"), 1):
        put(folder, day, kind)
    ran = cli("run", "--executor", executor, "--workers", "2", "-o", "json")
    assert ran.code == 1
    found = {each["key"]["day"][-1]: each for each in ran.json["tables"][-1]["partitions"]}
    assert {day: each["status"] for day, each in found.items() if day != "1"} == {
        **dict.fromkeys("234", "failed"),
        "5": "materialized",
    }
    beside = "2024-01-01; partitions of a table have the same columns"
    assert [found[day]["error"]["message"] for day in "234"] == [
        f"result of `t`: `n` is string, and int64 in day={beside}",
        f"result of `t`: no column `n`, which day={beside.replace(';', ' has;')}",
        f"result of `t`: column `m`, which day={beside.replace(';', ' lacks;')}",
    ]
    assert "declare all `columns:` of `t`" in found["2"]["error"]["hint"]
    assert len(cli("show", "t", "-o", "json").json["rows"]) == 2


def test_hint_of_partitions_of_other_columns_works(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(TABLES % "", CODE)
    put(folder, 1, "int")
    assert cli("run").code == 0
    put(folder, 2, "null")
    failed = cli("run")
    assert (failed.code, "day=2024-01-02: result of `t`: `n` is string, and int64 in" in failed.out) == (1, True)
    assert "then `lakehouse run --force t`" in failed.err
    folder.declare(TABLES % ", columns: {kind: string, day: string, n: int64}", CODE)
    assert cli("run", "--force", "t").code == 0
    assert len(cli("show", "t", "-o", "json").json["rows"]) == 2


def test_partitions_that_were_made_otherwise_do_not_count(folder: ProjectFolder, cli: Cli) -> None:
    """Those of former code, of which none stays; `on_code_change: new` keeps them, and `--force` makes all anew."""
    folder.declare(TABLES % "", CODE)
    put(folder, 1, "int")
    put(folder, 2, "int")
    assert cli("run").code == 0
    folder.edit("transforms.py", "s.assign(n=1),", "s.assign(n='y'),")
    assert cli("run").code == 0
    put(folder, 3, "float")
    assert cli("run").code == 1
    folder.declare(TABLES % ", on_code_change: new", CODE)
    put(folder, 3, "int")
    assert cli("run").code == 1
    assert cli("run", "--force").code == 0
    put(folder, 1, "text")
    put(folder, 2, "text")
    put(folder, 3, "text")
    failed = cli("run")  # each by what is stored of another
    assert (failed.code, "lakehouse run --force t" in failed.err) == (1, True)
    assert cli("run", "--force", "t").code == 0
    assert len(cli("show", "t", "-o", "json").json["rows"]) == 3


@pytest.mark.parametrize("type_", ["duckdb", "sqlite"])
def test_partition_of_other_columns_is_not_stored_by_a_database(folder: ProjectFolder, cli: Cli, type_: str) -> None:
    tables = """s: {kind: source, path: "s_{day:%%Y-%%m-%%d}", columns: {kind: string}}
l: {partitions: [day], inputs: [s], storage: base, columns: {kind: string}}
t: {partitions: [day], inputs: [l], storage: base, engine: storage, on_code_change: new, sql: "select %s from l"}
"""
    top = f"storages: {{default: {{root: data}}, base: {{type: {type_}, root: b.db}}}}\n"
    folder.declare(tables % "kind, 1 as n", "def l(s):\n    return s\n", top=top)
    put(folder, 1, "int")
    assert cli("run").code == 0
    for day, columns, said in (
        (2, "kind", "no column `n`, which day=2024-01-01 has"),
        (3, "kind, 1 as n, 2 as m", "column `m`, which day=2024-01-01 lacks"),
        (4, "kind, 'x' as n", "`n` is string, and int"),
    ):
        folder.declare(tables % columns, "def l(s):\n    return s\n", top=top)
        put(folder, day, "int")
        failed = cli("run")
        assert (failed.code, f"result of the query of `t`: {said}" in failed.out) == (1, True), failed.out
        assert "declare all `columns:` of `t`" in failed.err
    assert len(cli("show", "t", "-o", "json").json["rows"]) == 1


def test_partition_is_not_copied_beside_others_of_other_columns(folder: ProjectFolder, cli: Cli) -> None:
    top = "environments: {prod: {storages: {default: {root: prod}}}}\n"
    folder.declare(TABLES % "", CODE, top=top)
    put(folder, 1, "int")
    put(folder, 2, "int")
    assert cli("run").code == cli("copy", "--to", "prod", "t").code == 0
    put(folder, 1, "text")
    put(folder, 2, "text")
    assert cli("run", "--force", "t").code == 0
    for force in ([], ["--force"]):
        refused = cli("copy", "--to", "prod", "t", "--partition", "day=2024-01-02", *force)
        assert (refused.code, "`n` is string, and int64 in day=2024-01-01 of `prod`" in refused.err) == (1, True)
        assert "copy all partitions of `t` at once" in refused.err
    assert len(cli("show", "t", "-e", "prod", "-o", "json").json["rows"]) == 2
    assert cli("copy", "--to", "prod", "t").code == 0
    (folder.path / "data/s_2024-01-02.csv").unlink()
    folder.declare(TABLES % ", gone: drop", CODE, top=top)
    put(folder, 1, "float")
    assert cli("run", "--force").code == 0
    kept = cli("copy", "--to", "prod", "t")
    assert (kept.code, "lakehouse run --force t -e prod" in kept.err) == (1, True)
    assert [each["n"] for each in cli("show", "t", "-e", "prod", "-o", "json").json["rows"]] == ["x", "x"]
