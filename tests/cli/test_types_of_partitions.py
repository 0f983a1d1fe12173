"""Columns that are declared with another type, where a storage has one type for all partitions of a table."""

from __future__ import annotations

import pytest

from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PostgreSQL

TABLES = """
s: {{kind: source, storage: files, path: "s_{{day:%Y-%m-%d}}", columns: {{v: int64}}}}
t:
  partitions: [day]
  inputs: [s]
  gone: drop
  columns: {{day: {day}, n: {n}{more}}}
  key: [n]
  quarantine: {{max: 100%}}
  checks: [{{expression: "m > 0"}}]
before: {{partitions: [day], inputs: {{t: t, before: {{table: before, at: {{day: -1}}}}}}, gone: drop}}
total: {{inputs: [before], storage: files, columns: {{c: int64}}}}
"""
CODE = """
def t(s):
    if (s["v"] == 13).any():
        raise ValueError("thirteen")
    return s.assign(n={made}, m=s["v"])[["n", "m", "v"][:{columns}]]

def before(t, before):
    return before if len(before) else t[["n"]]

def total(before):
    return before.iloc[:1].assign(c=len(before))[["c"]]
"""
MORE = {2: ", m: int64", 3: ", m: int32, v: int64"}


def put(folder: ProjectFolder, day: int, *values: int) -> None:
    folder.write(f"data/s_2024-01-{day:02}.csv", "v\n" + "".join(f"{each}\n" for each in values))


def declare(folder: ProjectFolder, storage: str, day: str, n: str, made: str, columns: int = 2) -> None:
    top = f"storages: {{default: {storage}, files: {{root: data}}}}\n"
    tables = TABLES.format(day=day, n=n, more=MORE[columns])
    folder.declare(tables, CODE.format(made=made, columns=columns), top=top)


def stored(cli: Cli, table: str = "t") -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in cli("show", table, "-o", "json").json["rows"]]


def other_types(folder: ProjectFolder, cli: Cli, storage: str) -> None:
    """Declare other types of partitions that are stored, and of the dimension itself, and follow what is said."""
    for day in (1, 2, 3):
        put(folder, day, day, -day)
    declare(folder, storage, "string", "int64", "s['v']")
    assert cli("run").code == 0
    before = stored(cli)
    assert before == [("2024-01-01", 1, 1), ("2024-01-02", 2, 2), ("2024-01-03", 3, 3)]
    declare(folder, storage, "date32", "string", "s['v'].astype(str)")
    # Neither one after the other nor some alone, by force or not.
    anew = "`lakehouse run --force --together t` stores all of its partitions anew, at once"
    for some in ("t", "--force t --partition day=2024-01-02", "--together t --max-partitions 1"):
        refused = cli("run", *some.split())
        assert refused.code == 1, some
        assert (anew if some == "t" else "run again without `--partition` and `--max-partitions`") in refused.err
    (folder.path / "data/s_2024-01-03.csv").unlink()
    put(folder, 2, 13)
    assert cli("run", "--force", "--together", "t").code == 1
    declare(folder, storage, "string", "int64", "s['v']")
    assert stored(cli) == before
    put(folder, 2, 2, -2)
    declare(folder, storage, "date32", "string", "s['v'].astype(str)")
    ran = cli("run", "--force", "--together", "t")
    assert ran.code == 0, ran.err
    assert stored(cli) == [("2024-01-01", "1", 1), ("2024-01-02", "2", 2)]
    assert [row[1] for row in stored(cli, "t__quarantine")] == ["-1", "-2"]
    # What has no declared columns, and is computed from its own partitions.
    for options, hint in ((), "--force before"), (("--force", "before"), "--force --together before"):
        undeclared = cli("run", *options)
        assert (undeclared.code, f"`lakehouse run {hint}`" in undeclared.err) == (1, True), undeclared.err
    assert cli("run", "--force", "--together", "before").code == 0
    assert stored(cli, "before") == [("1",), ("1",)]
    assert cli("run").code == 0
    assert "nothing to do" in cli("plan").out
    # With `--force` alone, of all tables; columns come and go with it.
    declare(folder, storage, "date32", "int16", "s['v']", 3)
    ran = cli("run", "--force", "t", "-o", "json")
    assert (ran.code, stored(cli)[0]) == (0, ("2024-01-01", 1, 1, 1)), ran.err
    declare(folder, storage, "date32", "float64", "s['v'] / 2")
    assert cli("run", "--force", "t").code == 0
    assert stored(cli) == [("2024-01-01", 0.5, 1), ("2024-01-02", 1.0, 2)]
    put(folder, 3, 3)
    assert cli("run", "--force", "--together", "before", "+t").code == cli("run").code == 0
    assert len(stored(cli)) == len(stored(cli, "before")) == 3
    assert "nothing to do" in cli("plan").out


@pytest.mark.parametrize(
    "storage",
    [
        "{type: sqlite, root: w.sqlite}",
        "{type: delta, root: lake}",
        pytest.param("{type: duckdb, root: w.duckdb}", marks=pytest.mark.slow),
    ],
    ids=["sqlite", "delta", "duckdb"],
)
def test_partitions_of_other_types_are_stored_anew(folder: ProjectFolder, cli: Cli, storage: str) -> None:
    other_types(folder, cli, storage)


@pytest.mark.slow
def test_partitions_of_other_types_in_postgresql(
    folder: ProjectFolder, cli: Cli, postgresql_server: PostgreSQL
) -> None:
    other_types(folder, cli, f"{{type: postgresql, root: '{postgresql_server.url(postgresql_server.new_database())}'}}")


def test_what_hangs_on_other_columns_stays(folder: ProjectFolder, cli: Cli, postgresql_server: PostgreSQL) -> None:
    """A view of the column itself keeps all as it is, until it is dropped."""
    database = postgresql_server.new_database()
    storage = f"{{type: postgresql, root: '{postgresql_server.url(database)}'}}"
    put(folder, 1, 1)
    put(folder, 2, 2)
    declare(folder, storage, "string", "int64", "s['v']")
    assert cli("run", "t").code == 0
    postgresql_server.run("GRANT SELECT ON t TO PUBLIC", database)
    postgresql_server.run("CREATE VIEW w AS SELECT n FROM t", database)
    declare(folder, storage, "string", "string", "s['v'].astype(str)")
    refused = cli("run", "--force", "t")
    assert (refused.code, "view w" in refused.err) == (1, True), refused.err
    assert postgresql_server.run("SELECT sum(n) FROM w", database) == [("3",)]
    postgresql_server.run("DROP VIEW w", database)
    assert cli("run", "--force", "t").code == 0
    assert stored(cli) == [("2024-01-01", "1", 1), ("2024-01-02", "2", 2)]
    granted = "SELECT 1 FROM information_schema.role_table_grants WHERE table_name = 't' AND grantee = 'PUBLIC'"
    assert postgresql_server.run(granted, database) == [("1",)]
