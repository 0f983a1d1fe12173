"""Projects whose tables live in databases, through the command line."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lakehouse_cli.storage.relational.postgresql import PostgreSQLStorage
from tests.cli.running import running, until
from tests.conftest import Cli, Invoked, ProjectFolder
from tests.servers import postgresql
from tests.servers.postgresql import PASSWORD, USER, PostgreSQL


@dataclass
class Lake:
    """A project in a database, and the database's own client."""

    kind: str
    folder: ProjectFolder
    storage: str
    run: Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def lake(request: pytest.FixtureRequest, project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> Lake:
    kind = request.param
    if kind == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        name = request.getfixturevalue("postgresql_database")
        monkeypatch.setenv("PGUSER", USER)
        monkeypatch.setenv("PGPASSWORD_", server.url().split(":")[2].split("@")[0])
        root = f"postgresql://${{PGUSER}}:${{PGPASSWORD_}}@127.0.0.1:{server.port}/{name}"
        storage = f"{{root: '{root}', options: {{schema: analytics}}}}"
        server.run("CREATE SCHEMA analytics", name)
        made = Lake(kind, project, storage, lambda statement: list(server.run(statement, name)))
    else:
        client: Any = sqlite3 if kind == "sqlite" else duckdb

        def run(statement: str) -> list[tuple[Any, ...]]:
            with closing(client.connect(str(project.path / "lake.db"))) as connection:
                rows = connection.execute(statement).fetchall() if "SELECT" in statement else []
                if not rows and "SELECT" not in statement:
                    connection.execute(statement)
                    if kind == "sqlite":
                        connection.commit()
                return list(rows)

        made = Lake(kind, project, f"{{type: {kind}, root: lake.db}}", run)
    project.edit("lakehouse.yaml", "tables:\n", f"storages:\n  default: {made.storage}\ntables:\n")
    schema = "analytics." if kind == "postgresql" else ""
    made.run(f"CREATE TABLE {schema}orders (customer varchar(10), amount bigint, other text)")
    made.run(f"INSERT INTO {schema}orders VALUES ('007', 5, NULL), ('008', 2, ''), ('007', 1, 'x')")
    return made


def name(lake: Lake, table: str) -> str:
    return f"analytics.{table}" if lake.kind == "postgresql" else table


def reasons(invoked: Invoked) -> dict[str, list[str]]:
    return {t["name"]: [r["code"] for r in t["reasons"]] for t in invoked.json["tables"] if t["kind"] == "computed"}


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_a_run_and_then_nothing_to_do(lake: Lake, cli: Cli, executor: str) -> None:
    ran = cli("run", "--executor", executor, "-o", "json")
    assert ran.code == 0, ran.out
    assert [t["status"] for t in ran.json["tables"]] == ["materialized", "materialized"]
    assert sorted(map(tuple, lake.run(f"SELECT customer, total FROM {name(lake, 'totals')}"))) in (
        [("007", 6), ("008", 2)],
        [("007", "6"), ("008", "2")],
    )
    assert cli("plan", "--exit-code").code == 0
    again = cli("run", "-o", "json")
    assert [t["status"] for t in again.json["tables"]] == ["unchanged", "unchanged"]
    shown = cli("show", "best", "-o", "json").json
    assert shown["rows"] == [{"customer": "007", "total": 6}]
    assert PASSWORD not in str(shown)


def test_what_changes_is_seen(lake: Lake, cli: Cli) -> None:
    assert cli("run").code == 0
    lake.run(f"INSERT INTO {name(lake, 'orders')} VALUES ('008', 100, NULL)")
    planned = cli("plan", "-o", "json")
    assert reasons(planned) == {"totals": ["input_changed"], "best": ["upstream_runs"]}
    assert "content of `orders` changed (4 rows, before 3)" in planned.out
    assert cli("run").code == 0
    assert reasons(cli("plan", "-o", "json")) == {"totals": [], "best": []}
    lake.run(f"UPDATE {name(lake, 'best')} SET total = 7")
    assert reasons(cli("plan", "-o", "json")) == {"totals": [], "best": ["data_changed"]}
    assert cli("run").code == 0
    lake.run(f"ALTER TABLE {name(lake, 'best')} ADD COLUMN more integer")
    assert reasons(cli("plan", "-o", "json"))["best"] == ["data_changed"]
    assert cli("run").code == 0
    lake.run(f"DROP TABLE {name(lake, 'best')}")
    assert reasons(cli("plan", "-o", "json"))["best"] == ["missing_data"]


def test_anothers_table_is_replaced_only_by_force(lake: Lake, cli: Cli) -> None:
    lake.run(f"CREATE TABLE {name(lake, 'best')} (mine integer)")
    lake.folder.edit("transforms.py", "    return totals.n", "    open('computed', 'w').close()\n    return totals.n")
    planned = {t["name"]: t["would_fail"] for t in cli("plan", "-o", "json").json["tables"]}
    assert (planned["orders"], planned["totals"]) == (None, None)
    assert planned["best"].startswith("`best` stays as it is: ")
    assert planned["best"].endswith("best was not created by lakehouse (no manifest)")
    assert cli("run", "--dry-run", "--force", "-o", "json").json["tables"][-1]["would_fail"] is None
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    error = {t["name"]: t["error"] for t in ran.json["tables"]}["best"]
    assert "was not created by lakehouse (no manifest)" in error["message"]
    assert "lakehouse run --force best" in error["hint"]
    assert lake.run(f"SELECT count(mine) FROM {name(lake, 'best')}")[0][0] in (0, "0")
    assert not (lake.folder.path / "computed").exists()
    assert cli("run", "--force", "best").code == 0
    assert cli("show", "best").code == 0


def test_another_projects_table_is_replaced_only_by_force(lake: Lake, cli: Cli) -> None:
    assert cli("run").code == 0
    lake.folder.edit("lakehouse.yaml", "name: small", "name: other")
    lake.run(f"INSERT INTO {name(lake, 'orders')} VALUES ('009', 100, NULL)")
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    error = {t["name"]: t["error"] for t in ran.json["tables"]}["totals"]
    assert error["message"].endswith("totals belongs to project `small`")
    assert "--force" in error["hint"]
    assert lake.run(f"SELECT count(*) FROM {name(lake, 'totals')}")[0][0] in (2, "2")
    assert cli("run", "--force").code == 0
    assert lake.run(f"SELECT count(*) FROM {name(lake, 'totals')}")[0][0] in (3, "3")


def test_what_hangs_on_a_table_stays(lake: Lake, cli: Cli) -> None:
    assert cli("run").code == 0
    lake.run(f"CREATE UNIQUE INDEX by_customer ON {name(lake, 'totals')} (customer)")
    lake.run(f"CREATE VIEW {name(lake, 'looking')} AS SELECT max(total) AS most FROM {name(lake, 'totals')}")
    lake.run(f"INSERT INTO {name(lake, 'orders')} VALUES ('008', 100, NULL)")
    assert cli("run").code == 0
    assert int(lake.run(f"SELECT most FROM {name(lake, 'looking')}")[0][0]) == 102
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        lake.run(f"INSERT INTO {name(lake, 'totals')} VALUES ('008', 1)")
    assert reasons(cli("plan", "-o", "json")) == {"totals": [], "best": []}


@pytest.mark.parametrize("lake", ["sqlite", "duckdb"], indirect=True)
def test_an_index_that_does_not_fit_other_columns_is_named(lake: Lake, cli: Cli) -> None:
    assert cli("run").code == 0
    lake.run("CREATE INDEX by_total ON best (total)")
    lake.folder.edit("lakehouse.yaml", "total: int64", "sum: int64")
    lake.folder.edit("transforms.py", '"total")', '"total").rename(columns={"total": "sum"})')
    ran = cli("run", "-o", "json")
    error = {t["name"]: t["error"] for t in ran.json["tables"]}["best"]
    assert "index `by_total` of the old table does not fit the new one: " in error["message"]
    assert error["hint"] == "drop the index, run again, and make it anew"
    assert lake.run("SELECT total FROM best") == [(6,)]


def test_a_view_is_read_and_never_replaced(lake: Lake, cli: Cli) -> None:
    lake.run(f"CREATE VIEW {name(lake, 'best')} AS SELECT 1 AS customer, 2 AS total")
    assert "✗  best    refused" in cli("plan").out
    assert "is a view, and `best` would be a table" in cli("run", "--dry-run", "--force").out
    ran = cli("run", "--force", "-o", "json")
    error = {t["name"]: t["error"] for t in ran.json["tables"]}["best"]
    assert "is a view, and `best` would be a table" in error["message"]


def test_a_source_that_lacks_a_column(lake: Lake, cli: Cli) -> None:
    lake.folder.edit("lakehouse.yaml", "amount: int64}", "amont: int64}")
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    error = ran.json["tables"][0]["error"]
    assert "lacks column `amont`" in error["message"]
    assert "`amount`" in error["hint"]


def test_clean_drops_what_is_no_longer_declared(lake: Lake, cli: Cli) -> None:
    uris = {t["name"]: t["uri"] for t in cli("run", "-o", "json").json["tables"]}
    text = lake.folder.read("lakehouse.yaml")
    lake.folder.write("lakehouse.yaml", text[: text.index("  best:")])
    found = cli("clean", "--dry-run", "-o", "json").json["found"]
    assert [(stray["kind"], stray["table"], stray["note"]) for stray in found] == [("undeclared", "best", None)]
    assert found[0]["uri"] == uris["best"]
    assert cli("clean", "--yes").code == 0
    assert cli("clean", "--dry-run", "-o", "json").json["found"] == []
    lake.folder.write("lakehouse.yaml", text)
    assert reasons(cli("plan", "-o", "json"))["best"] == ["never_materialized"]


def test_clean_keeps_outside_modifications(lake: Lake, cli: Cli) -> None:
    assert cli("run").code == 0
    lake.run(f"UPDATE {name(lake, 'best')} SET total = 7")
    text = lake.folder.read("lakehouse.yaml")
    lake.folder.write("lakehouse.yaml", text[: text.index("  best:")])
    assert cli("clean", "--yes").code == 0
    assert lake.run(f"SELECT total FROM {name(lake, 'best')}")[0][0] in (7, "7")


def test_unsupported_type_is_refused_on_loading(lake: Lake, cli: Cli) -> None:
    text = lake.folder.read("lakehouse.yaml")
    for kind, wrong in (("sqlite", "uint64"), ("postgresql", "'timestamp[ns]'"), ("duckdb", "'duration[ns]'")):
        if lake.kind == kind:
            lake.folder.write("lakehouse.yaml", text.replace("total: int64}", f"total: {wrong}}}"))
    invalid = cli("validate")
    assert invalid.code == 3
    assert f"storage type {lake.kind} cannot hold column `total` of table `best`" in invalid.err


def test_no_such_file_in_a_folder_that_is_not_there(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: small
        storages: {default: {type: sqlite, root: nowhere/lake.db}}
        tables: {orders: {kind: source}}
        """,
    )
    shown = cli("show", "orders")
    assert shown.code == 1
    assert "nowhere/lake.db/orders does not exist" in shown.err
    assert not Path("nowhere").exists()


def test_a_file_that_is_no_database(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lake.db", "no database at all, but long enough to be taken for the header of one\n" * 100)
    for kind in ("sqlite", "duckdb"):
        folder.write(
            "lakehouse.yaml",
            f"""
            name: small
            storages: {{default: {{type: {kind}, root: lake.db}}}}
            tables: {{orders: {{kind: source}}}}
            """,
        )
        shown = cli("show", "orders")
        assert shown.code == 1
        assert "lake.db/orders cannot be read: " in shown.err
        assert "storage's `root:`" in shown.err


@pytest.fixture
def project_on(folder: ProjectFolder) -> Callable[[str], None]:
    def write(root: str) -> None:
        folder.write(
            "lakehouse.yaml",
            f"""
            name: small
            module: transforms
            storages: {{default: {{root: data}}, warehouse: {{root: '{root}'}}}}
            tables:
              first: {{storage: warehouse, columns: {{x: int64}}}}
              second: {{columns: {{x: int64}}}}
            """,
        )
        folder.write(
            "transforms.py",
            """
            import time
            from pathlib import Path
            import pandas as pd

            def first():
                Path("computing").touch()
                while not Path("go").exists():
                    time.sleep(0.01)
                return pd.DataFrame({"x": [1]})

            def second():
                return pd.DataFrame({"x": [1]})
            """,
        )

    return write


def refused_by_a_plan(cli: Cli) -> None:
    planned = cli("plan")
    assert planned.code == 0
    assert "✗  first   no access" in planned.out
    assert "▸  second  run " in planned.out
    assert "a run would fail: 1 of these could not be materialized" in planned.out
    assert "secret-enough" not in planned.out


def test_a_wrong_password(
    postgresql_server: PostgreSQL, project_on: Callable[[str], None], cli: Cli, folder: ProjectFolder
) -> None:
    project_on(postgresql_server.url(password="not it, but long"))
    refused_by_a_plan(cli)
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    results = {t["name"]: t for t in ran.json["tables"]}
    assert "password authentication failed" in results["first"]["error"]["message"]
    assert "check user and password" in results["first"]["error"]["hint"]
    assert results["second"]["status"] == "materialized"
    assert "not it" not in ran.out + ran.err
    assert "not%20it" not in ran.out + ran.err
    assert not Path("computing").exists()


def test_no_such_database(postgresql_server: PostgreSQL, project_on: Callable[[str], None], cli: Cli) -> None:
    project_on(postgresql_server.url("nowhere"))
    refused_by_a_plan(cli)
    ran = cli("run", "-o", "json")
    error = {t["name"]: t for t in ran.json["tables"]}["first"]["error"]
    assert 'database "nowhere" does not exist' in error["message"]
    assert "create the database" in error["hint"]
    assert not Path("computing").exists()


def test_nobody_listens(project_on: Callable[[str], None], cli: Cli) -> None:
    project_on("postgresql://me:secret-enough@127.0.0.1:54709/db")
    refused_by_a_plan(cli)
    ran = cli("run", "-o", "json")
    error = {t["name"]: t for t in ran.json["tables"]}["first"]["error"]
    assert error["message"].endswith(": nothing listens at 127.0.0.1:54709")
    assert "see that the server runs" in error["hint"]
    assert "secret-enough" not in ran.out + ran.err
    assert not Path("computing").exists()


@pytest.fixture
def own_server() -> Iterator[PostgreSQL]:
    with postgresql.running(19) as server:
        yield server


@pytest.mark.slow
def test_a_server_that_goes_away_in_mid_run(
    own_server: PostgreSQL, project_on: Callable[[str], None], folder: ProjectFolder, cli: Cli
) -> None:
    project_on(own_server.url())
    with running(folder.path, "run", "-o", "json") as process:
        while not (folder.path / "computing").exists():
            assert process.process.poll() is None, str(process)
        own_server.stop()
        folder.write("go", "")
        assert process.ends() == 1
        assert "127.0.0.1" in process.out
        assert '"status": "failed"' in process.out
        assert "see that the server runs" in process.out
        assert "materialized" in process.out
    own_server.start()
    ran = cli("run", "-o", "json")
    assert ran.statuses == {"first": "materialized", "second": "unchanged"}


def test_two_runs_from_two_checkouts(
    postgresql_server: PostgreSQL, project_on: Callable[[str], None], folder: ProjectFolder, cli: Cli
) -> None:
    project_on(postgresql_server.url(database := postgresql_server.new_database()))
    other = ProjectFolder(folder.path.with_name("other"))
    shutil.copytree(folder.path, other.path)
    other.write("transforms.py", folder.read("transforms.py").replace('"x": [1]', '"x": [2]'))
    other.write("go", "")
    with running(folder.path, "run", "-o", "json") as process:
        until((folder.path / "computing").exists, "the first table")
        with running(other.path, "run") as overtaking:
            assert overtaking.ends() == 0
        folder.write("go", "")
        assert process.ends() == 1
        assert "/first while this one computed it" in process.out
    assert postgresql_server.run("SELECT x FROM first", database) == [("2",)]
    assert cli("run").code == 0
    assert postgresql_server.run("SELECT x FROM first", database) == [("1",)]


def test_ctrl_c_ends_a_plan_that_waits_for_the_server(
    postgresql_server: PostgreSQL, project_on: Callable[[str], None], folder: ProjectFolder, cli: Cli
) -> None:
    project_on(postgresql_server.url(database := postgresql_server.new_database()))
    folder.write("go", "")
    assert cli("run").code == 0
    with postgresql_server.asking(database) as ask:
        ask("BEGIN; LOCK TABLE lakehouse_manifests")
        with running(folder.path, "plan") as process:
            waiting = f"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{database}'"
            until(lambda: postgresql_server.run(waiting) != [("0",)], "the wait for the lock")
            process.interrupt()
            assert process.ends(patience=20) == 130
        assert postgresql_server.run(waiting) == [("0",)]


def test_two_schemas_under_one_root_are_distinguished(
    postgresql_server: PostgreSQL, folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WH", postgresql_server.url(database := postgresql_server.new_database()))
    folder.write(
        "lakehouse.yaml",
        """
        name: small
        module: transforms
        storages:
          default: {root: "${WH}", options: {schema: shop}}
          other: {root: "${WH}", options: {schema: "an alytics.x"}}
          plain: {root: "${WH}", options: {schema: public}}
        tables:
          totals: {columns: {x: int64}}
          again: {storage: other, path: totals, columns: {x: int64}}
          mine: {storage: other, columns: {x: int64}}
          named: {storage: plain, columns: {x: int64}}
        """,
    )
    one = 'def {}():\n    return pd.DataFrame({{"x": [1]}})\n\n'
    folder.write(
        "transforms.py", "import pandas as pd\n\n" + "".join(map(one.format, ("totals", "again", "mine", "named")))
    )
    for schema in ("shop", "an alytics.x"):
        postgresql_server.run(f'CREATE SCHEMA "{schema}"; CREATE TABLE "{schema}".mine (x bigint)', database)
    tables = {t["name"]: t for t in cli("run", "-o", "json").json["tables"]}
    assert {name: t["uri"] for name, t in tables.items()} == {
        "totals": "${WH}/shop/totals",
        "again": "${WH}/an alytics.x/totals",
        "mine": "${WH}/an alytics.x/mine",
        "named": "${WH}/named",
    }
    assert tables["mine"]["error"]["message"].startswith("${WH}/an alytics.x/mine was not created")
    assert "${WH}/an alytics.x/totals" in cli("show", "again").out
    listed = cli("env").out
    assert "shop" in listed
    assert "an alytics.x" in listed
    folder.edit("lakehouse.yaml", "  totals: {columns: {x: int64}}\n", "")
    assert "${WH}/shop/totals" in cli("clean", "--dry-run").out


def test_unreachable_storage_is_asked_once(folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: small
        module: transforms
        storages:
          default: {root: data}
          far: {root: "postgresql://me:secret-enough@127.0.0.1:54709/db", options: {schema: shop}}
        tables:
          orders: {kind: source, storage: far, columns: {x: int64}}
          again: {kind: source, storage: far, columns: {x: int64}}
          one: {inputs: [orders], columns: {x: int64}}
          two: {inputs: [again], columns: {x: int64}}
        """,
    )
    folder.write("transforms.py", "def one(orders):\n    return orders\n\ndef two(again):\n    return again\n")
    planned = cli("plan")
    cause = "nothing listens at 127.0.0.1:54709"
    assert f"✗  orders  no access  {cause}\n" in planned.out
    assert "○  one     blocked    `orders` cannot be read; never materialized\n" in planned.out
    # Which of the two asks first decides the wording.
    assert re.search(rf"127\.0\.0\.1:54709/db/shop/\w+ cannot be [a-z ]+: {cause}\n", planned.out)
    assert planned.out.count(cause) == 3
    asked: list[str] = []
    monkeypatch.setattr(PostgreSQLStorage, "scan", lambda self, table, columns: asked.append(table.name))
    tables = {t["name"]: t for t in cli("run", "-o", "json").json["tables"]}
    assert asked == []
    assert tables["again"]["error"]["message"].endswith(cause)
    assert tables["two"]["status"] == "skipped"
    folder.edit("lakehouse.yaml", "/db", "/db?nonesuch=1")
    error = {t["name"]: t for t in cli("run", "-o", "json").json["tables"]}["orders"]["error"]
    assert error["hint"] == "`nonesuch` is no parameter of PostgreSQL's URLs; take it out of the storage's `root:`"
    folder.edit("lakehouse.yaml", "nonesuch=1", "sslmode=bogus")
    error = {t["name"]: t for t in cli("run", "-o", "json").json["tables"]}["orders"]["error"]
    assert error["message"].endswith(": invalid sslmode value")
    assert error["hint"] == "correct the parameter `sslmode` of the storage's `root:`"


def test_filter_on_char_finds_the_rows_of_the_source(lake: Lake, cli: Cli) -> None:
    lake.run(f"CREATE TABLE {name(lake, 'codes')} (id integer, code char(5))")
    lake.run(f"INSERT INTO {name(lake, 'codes')} VALUES (1, 'ab'), (2, 'abc'), (3, NULL)")
    columns = "columns: {id: int64, code: string}"
    lake.folder.add("lakehouse.yaml", f"  codes: {{kind: source, {columns}, key: [id]}}\n  found: {{{columns}}}\n")
    lake.folder.add("transforms.py", "\n\ndef found(codes):\n    return codes[codes['code'] == 'ab']\n")
    assert cli("run", "found").code == 0
    (in_source,) = lake.run(f"SELECT id, code FROM {name(lake, 'codes')} WHERE code = 'ab'")
    (in_copy,) = lake.run(f"SELECT id, code FROM {name(lake, 'found')} WHERE code = 'ab'")
    assert str(in_copy[0]) == str(in_source[0]) == "1"
    assert cli("plan", "--exit-code", "found").code == 0


BENT_RESULT = """

def NAME() -> pa.Table:
    return duckdb.connect().sql("SELECT 1 AS id, VALUE AS v").to_arrow_table()
"""


@pytest.mark.parametrize("format_", ["csv", "parquet", "ipc", "jsonl", "json"])
@pytest.mark.parametrize("declared", [True, False])
def test_results_of_duckdb_beyond_their_type_are_refused(
    folder: ProjectFolder, cli: Cli, declared: bool, format_: str
) -> None:
    code, tables, wanted = "import duckdb\nimport pyarrow as pa\n", [], {}
    for type_, value, reported in (
        ("decimal128(38, 0)", "{}170141183460469231731687303715884105727::HUGEINT{}", "too large for its own type"),
        ("decimal128(38, 0)", "{}(-170141183460469231731687303715884105728)::HUGEINT{}", "too large for its own type"),
        ("time64[us]", "{}TIME '24:00'{}", "no time of a day"),
    ):
        nested = (("", "", type_), ("[", "]", f"list<{type_}>"), ("{'x': ", "}", f"struct<x: {type_}>"))
        for before, after, kind in nested:
            name = f"result{len(wanted)}"
            columns = f", columns: {{id: int32, v: '{kind}'}}" if declared else ", key: id"
            tables.append(f"{name}: {{format: {format_}{columns}}}")
            code += BENT_RESULT.replace("NAME", name).replace("VALUE", value.format(before, after))
            wanted[name] = reported
    folder.declare("\n".join(tables), code)
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    for table in ran.json["tables"]:
        [violation] = table["error"]["violations"]
        assert violation["message"].startswith(f"`v` {'is declared' if declared else 'holds'}"), table
        assert wanted.pop(table["name"]) in violation["message"]
    assert wanted == {}
    assert folder.files() == []
