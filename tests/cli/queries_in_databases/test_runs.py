"""Runs of tables whose queries run in their database: planned, stored, ended, and in nobody's way."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lakehouse_cli import Project
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.storage.relational.postgresql import PostgreSQLStorage
from tests.cli.queries_in_databases.projects import BEST, ORDERS, TOTALS, Database, fill, made, statuses
from tests.cli.running import running, until
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PostgreSQL


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_it_runs_and_is_up_to_date(database: Database, cli: Cli, executor: str) -> None:
    fill(database)
    database.declare(ORDERS + TOTALS + BEST)
    ran = cli("run", "--executor", executor, "-o", "json")
    assert ran.code == 0, ran.out + ran.err
    assert statuses(ran) == {"totals": "materialized", "best": "materialized"}
    assert database.rows("totals") == [("007", "9", "$least", "2"), ("008", "2", "$least", "2")]
    assert cli("plan", "--exit-code").code == 0
    assert cli("diff", "totals").code == 0
    assert cli("show", "best", "-o", "json").json["rows"] == [{"customer": "007", "total": 9}]


def test_diff_is_what_a_run_makes(database: Database, cli: Cli) -> None:
    fill(database)
    twice = (
        TOTALS.replace("totals:", "twice:").replace("[orders]", "{orders: totals}").replace("sum(amount)", "sum(total)")
    )
    twice = twice.replace("amount >=", "total >=")
    database.declare(ORDERS + TOTALS + twice)
    assert cli("run").code == 0
    database.run("INSERT INTO orders VALUES ('009', 7, NULL)")
    compared = cli("diff", "-o", "json")
    found = {t["name"]: (t["added"], t["removed"], t["changed"]) for t in compared.json["tables"]}
    assert found == {"totals": (1, 0, 0), "twice": (1, 0, 0)}, compared.out
    assert len(database.rows("totals")) == 2  # nothing was stored
    assert cli("run").code == 0
    assert database.rows("totals")[-1] == ("009", "7", "$least", "2") == database.rows("twice")[-1]


def test_same_rows_end_it_there(database: Database, cli: Cli) -> None:
    fill(database)
    database.declare(ORDERS + TOTALS + BEST)
    assert cli("run").code == 0
    database.run("INSERT INTO orders VALUES ('010', 1, NULL)")
    ran = cli("run", "-o", "json")
    assert statuses(ran) == {"totals": "materialized", "best": "unchanged"}


#: By database: a query that does not end within any test.
ENDLESS = {
    "postgresql": "select 1 as a from pg_sleep(3600)",
    "duckdb": "select max(hash(x.range + y.range)) % 2 as a from range(10000000) x, range(10000000) y",
    "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as a from n",
}


def endless(database: Database, *, keys: str = "") -> str:
    return f"""\
  slow:
    engine: storage
    inputs: []
    reproducible: false
    sql: {ENDLESS[database.kind]}
{keys}"""


def asleep(database: Database) -> bool:
    """Whether the server works on an endless query."""
    return database.run("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == [("1",)]


def short(folder: ProjectFolder) -> None:
    """Let the table be computed at once."""
    text = folder.read("lakehouse.yaml")
    [line] = [each for each in text.splitlines() if each.startswith("    sql:")]
    folder.path.joinpath("lakehouse.yaml").write_text(text.replace(line, "    sql: select 1 as a"))


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_timeout_ends_the_query(database: Database, cli: Cli, executor: str) -> None:
    database.declare(endless(database))
    short(database.folder)
    assert cli("run").code == 0
    database.declare(endless(database, keys="    timeout: 1\n"))
    ran = cli("run", "--executor", executor, "-o", "json")
    assert ran.json["tables"][0]["error"]["message"] == "the query of `slow` took longer than its timeout of 1 s"
    if database.kind == "postgresql":
        until(lambda: not asleep(database), "end of the query")
    assert database.rows("slow") == [("1",)]
    short(database.folder)
    assert cli("run", "--force", "slow").code == 0  # nothing is locked


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_tables_of_one_file_take_turns(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, kind: str
) -> None:
    database = made(kind, request, folder)
    fill(database)
    lake = f"{{type: {kind}, root: lake.db, options: {{lock_timeout: 1}}}}"
    database.storages = f"storages:\n  default: {lake}\n  raw: {lake}\n"
    quick = "".join(f"  quick_{number}: {{engine: storage, inputs: [], sql: select 1 as a}}\n" for number in range(3))
    quick += "  read: {sql: from orders}\n"
    database.declare(ORDERS + endless(database, keys="    timeout: 3\n") + quick)
    ran = cli("run", "--executor", "threads", "--workers", "5", "-o", "json")
    assert statuses(ran) == {
        "slow": "failed",
        "read": "materialized",
        **{f"quick_{number}": "materialized" for number in range(3)},
    }


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("executor", ["threads", "processes", "serial"])
def test_end_of_a_run_ends_the_query(server: Database, cli: Cli, how: signal.Signals, executor: str) -> None:
    server.declare(endless(server))
    short(server.folder)
    assert cli("run").code == 0
    server.declare(endless(server))
    with running(server.folder.path, "run", "--executor", executor) as run:
        until(lambda: asleep(server), "query")
        run.process.send_signal(how)
        if how == signal.SIGTERM:
            run.ends()
    until(lambda: not asleep(server), "end of the query")
    assert server.rows("slow") == [("1",)]
    short(server.folder)
    assert cli("run").code == 0
    assert server.run("SELECT count(*) FROM pg_class WHERE relname LIKE 'lakehouse_%' AND relkind = 'r'") == [("1",)]


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
@pytest.mark.parametrize("executor", ["threads", "processes", "serial"])
def test_end_of_a_run_ends_the_query_of_a_file(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, kind: str, executor: str
) -> None:
    database = made(kind, request, folder)
    database.declare(endless(database))
    short(folder)
    assert cli("run").code == 0
    database.declare(endless(database))
    with running(folder.path, "run", "--executor", executor, "--log-format", "json") as run:
        run.reports("table_started")
        run.process.send_signal(signal.SIGTERM)
        assert run.ends() != 0
    assert database.rows("slow") == [("1",)]
    short(folder)
    assert cli("run").code == 0


def test_who_alters_an_input_waits(server: Database, cli: Cli) -> None:
    fill(server)
    server.declare(ORDERS + endless(server).replace("[]", "[orders]").replace(" from", ", customer from orders,"))
    with running(server.folder.path, "run"):
        until(lambda: asleep(server), "query")
        server.run("INSERT INTO orders VALUES ('010', 1, NULL)")
        held = "SET lock_timeout = '50ms'; ALTER TABLE orders ADD COLUMN late integer"
        with pytest.raises(AssertionError, match="lock timeout"):
            server.run(held)


def test_another_makes_the_schema_meanwhile(server: Database, postgresql_server: PostgreSQL) -> None:
    server.declare("".join(f"  t{n}: {{engine: storage, inputs: [], sql: select {n} as a}}\n" for n in range(4)))
    [(name,)] = server.run("SELECT current_database()")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    with postgresql_server.asking(name) as ask:
        ask("BEGIN")
        ask("SELECT pg_advisory_xact_lock(hashtextextended('lakehouse schemas', 0))")
        ask("CREATE SCHEMA mart")
        with running(server.folder.path, "run", "--workers", "4") as run:
            until(lambda: server.run(waiting) == [("4",)], "tables that wait for the schema")
            ask("COMMIT")
            code = run.ends()
    assert code == 0
    assert [server.rows(f"t{n}") for n in range(4)] == [[(str(n),)] for n in range(4)]


def test_a_locked_input_is_reported(server: Database, cli: Cli, postgresql_server: PostgreSQL) -> None:
    fill(server)
    hasty = "options: {lock_timeout: 1}"
    server.storages = server.storages.replace("schema: mart}", "schema: mart, lock_timeout: 1}")
    server.storages = server.storages.replace("'}\n", f"', {hasty}}}\n")
    server.declare(ORDERS + TOTALS)
    [(name,)] = server.run("SELECT current_database()")
    with postgresql_server.asking(name) as ask:
        ask("BEGIN")
        ask("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        ran = cli("run")
        ask("COMMIT")
    assert ran.code == 1
    assert "lock timeout" in ran.out + ran.err
    assert cli("run").code == 0


def test_what_hangs_on_the_table_stays(database: Database, cli: Cli) -> None:
    fill(database)
    database.declare(ORDERS + TOTALS)
    assert cli("run").code == 0
    schema = "mart." if database.kind == "postgresql" else ""
    database.run(f"CREATE INDEX by_total ON {schema}totals (total)")
    database.run(f"CREATE VIEW seen AS SELECT customer FROM {schema}totals")
    if database.kind == "sqlite":
        database.run("CREATE TRIGGER double AFTER INSERT ON totals BEGIN UPDATE totals SET total = total * 2; END")
    database.run("INSERT INTO orders VALUES ('009', 7, NULL)")
    assert cli("run").code == 0
    assert database.rows("totals")[-1][:2] == ("009", "7")
    assert len(database.run("SELECT * FROM seen")) == 3
    assert cli("plan", "--exit-code").code == 0


def test_version_of_the_database_counts(server: Database, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(server)
    server.declare(ORDERS + TOTALS)
    assert cli("run").code == 0
    major = PostgreSQLStorage.engine_version(open_storage(spec_of(server)))
    monkeypatch.setattr(PostgreSQLStorage, "engine_version", lambda self: str(int(major) + 1))
    planned = cli("plan").out
    assert "postgresql" in planned
    assert f"{major} → {int(major) + 1}" in planned


def spec_of(database: Database) -> StorageSpec:
    root = database.storages.split("'")[1]
    return StorageSpec("default", root, root, type=database.kind, format="")


def test_other_inputs_of_another_environment(server: Database, cli: Cli, postgresql_server: PostgreSQL) -> None:
    fill(server)
    other = postgresql_server.url(postgresql_server.new_database())
    first = TOTALS.replace("totals:", "first:")
    server.declare(ORDERS + first + TOTALS.replace("[orders]", "{orders: first}").replace("amount", "total"))
    with server.folder.path.joinpath("lakehouse.yaml").open("a") as file:
        file.write(f"environments: {{dev: {{storages: {{default: {{root: '{other}'}}, raw: {{root: '{other}'}}}}}}}}\n")
    assert cli("run").code == 0
    ran = cli("run", "-e", "dev", "totals", "--defer", "default")
    assert ran.code == 1
    assert "`first` lies in another database than `totals`, where its query runs" in ran.out + ran.err


class Counting:
    """A proxy before a server, which counts the bytes that come from it."""

    def __init__(self, port: int) -> None:
        self.bytes = 0
        self._port = port
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                self.bytes += len(data)
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close all connections."""
        for each in (self._socket, *self._open):
            each.close()


@pytest.fixture
def proxy(postgresql_server: PostgreSQL) -> Iterator[Counting]:
    counting = Counting(postgresql_server.port)
    yield counting
    counting.close()


def test_a_million_rows_stay_on_the_server(
    server: Database, cli: Cli, postgresql_server: PostgreSQL, proxy: Counting
) -> None:
    rows = "SELECT 'c' || i AS customer, i::bigint AS amount FROM generate_series"
    server.run(f"CREATE TABLE orders AS {rows}(1, 10) AS i")
    server.storages = server.storages.replace(f":{postgresql_server.port}/", f":{proxy.port}/")
    copied = """\
  copied:
    engine: storage
    inputs: [orders]
    sql: select customer, amount * 1.50 as amount, amount::numeric as key from orders
    key: key
    columns: {customer: {type: string, nullable: false}, amount: "decimal128(12, 2)", key: int64}
"""
    server.declare(ORDERS + copied)
    assert cli("run").code == 0
    few = proxy.bytes
    server.run(f"INSERT INTO orders {rows}(11, 1000000) AS i")
    ran = cli("run", "-o", "json")
    assert ran.code == 0, ran.out
    assert ran.json["tables"][-1]["rows"] == 1_000_000
    many = proxy.bytes - few
    assert server.run("SELECT count(*), sum(amount) FROM mart.copied") == [("1000000", "750000750000.00")]
    assert many < 1.2 * few  # of ten rows as of a million: what connections and catalogs take
    server.declare(ORDERS + copied.replace("amount::numeric as key", "amount + (amount < 900)::int * 0.5 as key"))
    assert "`lakehouse show copied --failed` shows the 899 rows that fail" in cli("run").err
    assert server.run("SELECT count(*) FROM mart.copied") == [("1000000",)]
    assert proxy.bytes < 4 * few  # the others stay there


def test_texts_are_stored_in_one_order_whatever_their_collation(server: Database, cli: Cli) -> None:
    server.declare(
        "".join(
            f"  {name}:\n    engine: storage\n    inputs: []\n    order_by: [s]\n    sql: |\n"
            f"      select v::{kind} collate \"en-x-icu\" as s from (values ('b'), ('a'), ('B')) as v(v)\n"
            for name, kind in {"plain": "text", "sized": "varchar(3)", "padded": "char(3)"}.items()
        )
    )
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    project = Project.load(server.folder.path)
    found = {name: project.read_arrow(name)["s"].to_pylist() for name in ("plain", "sized", "padded")}
    assert set(map(tuple, found.values())) == {("B", "a", "b")}, found
