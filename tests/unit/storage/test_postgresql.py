"""PostgreSQL on a throwaway server: the conformance suite, and what only it has."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, Location, StorageError
from lakehouse_cli.model import Column, Contract, StorageSpec, Table, parse_column_type
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.relational import connections
from lakehouse_cli.storage.relational.postgresql import PostgreSQLStorage
from lakehouse_cli.storage.relational.postgresql_session import PostgreSQLSession
from lakehouse_cli.testing.storage import ORIGIN
from lakehouse_cli.text.sql import quote
from tests.servers.postgresql import PostgreSQL
from tests.unit.storage.suites import DatabaseConformance


@pytest.fixture
def database(postgresql_database: str) -> str:
    return postgresql_database


@pytest.fixture
def storage(postgresql_server: PostgreSQL, database: str) -> PostgreSQLStorage:
    root = postgresql_server.url(database)
    shown = root.replace(root.partition("://")[2].partition("@")[0], "${PGUSER}:${PGPASSWORD}")
    return PostgreSQLStorage(StorageSpec("warehouse", root, shown, format="", type="postgresql"))


class TestPostgreSQL(DatabaseConformance):
    session = PostgreSQLSession

    @pytest.fixture(autouse=True)
    def _server(self, postgresql_server: PostgreSQL, database: str) -> None:
        self.server, self.name = postgresql_server, database

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        values = ", ".join(f"({id_}, '{text}')" for id_, text in zip(*data.to_pydict().values(), strict=True))
        self.server.run(f"CREATE TABLE {quote(declared.path)} (id bigint, text text)", self.name)
        self.server.run(f"INSERT INTO {quote(declared.path)} VALUES {values}", self.name)

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        if not self.server.run(f"SELECT 1 FROM pg_class WHERE relname = '{declared.path}'", self.name):
            return None
        return repr(self.server.run(f"SELECT * FROM {quote(declared.path)}", self.name)).encode()


def declared(name: str = "t", path: str | None = None, kind: Any = "computed", **columns: str) -> Table:
    types = tuple(Column(column, parse_column_type(type_)) for column, type_ in columns.items())
    return Table(name, kind=kind, path=path or name, contract=Contract(types or None), format="")


def stored(storage: PostgreSQLStorage, table: Table, **columns: list[Any]) -> None:
    storage.publish(table, pa.table(columns), ORIGIN)


def test_schema_of_a_path_is_created(storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str) -> None:
    stored(storage, declared(path="sales 2026/order.lines"), x=[1])
    assert postgresql_server.run('SELECT x FROM "sales 2026"."order.lines"', database) == [("1",)]
    rows = postgresql_server.run("SELECT schema_name, table_name FROM public.lakehouse_manifests", database)
    assert rows == [("sales 2026", "order.lines")]


def test_names_that_the_server_would_cut_are_refused(storage: PostgreSQLStorage) -> None:
    with pytest.raises(StorageError, match="longer than 63 bytes"):
        stored(storage, declared(path="ü" * 32), x=[1])
    with pytest.raises(StorageError, match=r"column `y{64}` is longer than 63 bytes"):
        stored(storage, declared(), **{"y" * 64: [1]})


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("UPDATE t SET x = 7 WHERE x = 1", True),
        ("UPDATE t SET x = x", False),
        ("DELETE FROM t WHERE x = 1", True),
        ("TRUNCATE t", True),
        ("INSERT INTO t VALUES (1)", True),
        ("ALTER TABLE t RENAME x TO y", True),
        ("ALTER TABLE t ALTER x TYPE integer", True),
        ("ALTER TABLE t ADD y integer DEFAULT 1", True),
        ("VACUUM FULL t", False),
        ("ANALYZE t", False),
    ],
)
def test_only_outside_changes_of_content_count(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str, statement: str, changed: bool
) -> None:
    manifest = storage.publish(declared(), pa.table({"x": [1, 2]}), ORIGIN)
    before = storage.content(declared(), ())
    assert before is not None
    assert before.content_hash == manifest.content_hash
    postgresql_server.run(statement, database)
    storage.prefetch([declared()])
    content = storage.content(declared(), ())
    assert content is not None
    assert (content.content_hash != manifest.content_hash) == changed


def test_a_table_that_nobody_touched_is_not_hashed(storage: PostgreSQLStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(storage, declared(), x=[1, 2])

    def digest(*_: Any) -> Any:
        raise AssertionError("hashed")

    monkeypatch.setattr(PostgreSQLSession, "digest", digest)
    assert storage.content(declared(), ()) is not None
    storage.prefetch([declared()])
    assert storage.content(declared(), ()) is not None


@pytest.mark.parametrize(
    ("expression", "type_", "reported"),
    [
        ("'infinity'::timestamp", "timestamp[us]", "infinite"),
        ("'-infinity'::timestamptz", "timestamp[us, tz=UTC]", "infinite"),
        ("'infinity'::date", "date32", "infinite"),
        ("'294250-01-01'::timestamp", "timestamp[us]", "outside the range"),
        ("'24:00'::time", "time64[us]", "24:00"),
        ("'NaN'::numeric", "decimal128(5, 2)", "not a number"),
        ("1.005::numeric", "decimal128(5, 2)", "not exact"),
        ("'{{1,2},{3,4}}'::int[]", "list<int32>", "several dimensions"),
        ("'1 month'::interval", "duration[us]", "`x` holds intervals with months in 1 row"),
        ("'abc'::text", "int64", "not an integer"),
    ],
)
def test_what_arrow_cannot_hold_is_refused(
    storage: PostgreSQLStorage,
    postgresql_server: PostgreSQL,
    database: str,
    expression: str,
    type_: str,
    reported: str,
) -> None:
    postgresql_server.run(f"CREATE TABLE theirs AS SELECT {expression} AS x", database)
    table = declared("theirs", kind="source", x=type_)
    with pytest.raises((DataError, StorageError)) as caught:
        storage.scan(table, table.columns).table()
    assert reported in caught.value.message


@pytest.mark.parametrize(
    ("expression", "type_", "expected"),
    [
        ("'NaN'::numeric", "float64", "nan"),
        ("'NaN'::numeric(5, 2)", "float64", "nan"),
        ("'NaN'::numeric", "float32", "nan"),
        ("'-Infinity'::numeric", "float64", "-inf"),
        ("'Infinity'::numeric", "float64", "inf"),
        ("'NaN'::numeric", "string", "NaN"),
        ("1.5::numeric", "float64", "1.5"),
        ("'{NaN,1.5,NULL,-Infinity}'::numeric[]", "list<float64>", "[nan, 1.5, None, -inf]"),
        ("'{NaN,2}'::numeric(5,2)[]", "list<float64>", "[nan, 2.0]"),
    ],
)
def test_nan_of_numeric_is_a_float(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str, expression: str, type_: str, expected: str
) -> None:
    postgresql_server.run(f"CREATE TABLE theirs AS SELECT {expression} AS x UNION ALL SELECT NULL", database)
    table = declared("theirs", kind="source", x=type_)
    assert [str(value) for value in storage.scan(table, table.columns).table()["x"].to_pylist()] == [expected, "None"]


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date", "date[]"])
def test_infinity_is_shown_by_its_name(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str, kind: str
) -> None:
    texts = ["infinity", "2020-01-01", "-infinity"]
    values = ", ".join(f"('{f'{{{text}}}' if kind.endswith('[]') else text}'::{kind})" for text in texts)
    postgresql_server.run(f"CREATE TABLE theirs AS SELECT column1 AS x FROM (VALUES {values}) AS v", database)
    type_ = {
        "timestamp": "timestamp[us]",
        "timestamptz": "timestamp[us, tz=UTC]",
        "date": "date32",
        "date[]": "list<date32>",
    }[kind]
    table = declared("theirs", kind="source", x=type_)
    with pytest.raises(DataError) as caught:
        storage.scan(table, table.columns).table()
    (violation,) = caught.value.violations
    assert [(each.row, each.value) for each in violation.examples] == [(1, "infinity"), (3, "-infinity")]


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "timestamp[]"])
def test_timestamp_beyond_arrow_is_shown_as_it_is(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str, kind: str
) -> None:
    texts = ["294276-12-31 23:59:59.999999+00", "2020-01-01", "294247-01-10 04:00:54.775808+00"]
    values = ", ".join(f"('{f'{{{text}}}' if kind.endswith('[]') else text}'::{kind})" for text in texts)
    postgresql_server.run(f"CREATE TABLE theirs AS SELECT column1 AS x FROM (VALUES {values}) AS v", database)
    zoned = kind == "timestamptz"
    type_ = {"timestamp": "timestamp[us]", "timestamptz": "timestamp[us, tz=UTC]"}.get(kind, "list<timestamp[us]>")
    table = declared("theirs", kind="source", x=type_)
    with pytest.raises(DataError) as caught:
        storage.scan(table, table.columns).table()
    (violation,) = caught.value.violations
    assert [(each.row, each.value) for each in violation.examples] == [
        (1, "+294276-12-31 23:59:59.999999" + "Z" * zoned),
        (3, "+294247-01-10 04:00:54.775808" + "Z" * zoned),
    ]


def test_what_arrow_has_no_type_for_is_read_as_text(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str
) -> None:
    postgresql_server.run(
        "CREATE VIEW theirs AS SELECT '{\"a\": 1}'::jsonb AS j, 1.50::numeric AS n, 1.50::numeric(5,3) AS d,"
        " 'c0ffee00-0000-0000-0000-000000000000'::uuid AS u, '{1.5,NULL}'::numeric[] AS l, '1 day 2 s'::interval AS i",
        database,
    )
    row = storage.scan(declared("theirs", kind="source"), None).table()
    assert [str(kind) for kind in row.schema.types] == [
        "string",
        "string",
        "decimal128(5, 3)",
        "string",
        "list<item: string>",
        "duration[us]",
    ]
    assert row.to_pylist()[0]["n"] == "1.50"
    table = declared("theirs", kind="source", n="decimal128(38, 5)", l="list<decimal128(3, 1)>")
    rows = storage.scan(table, table.columns).table().to_pylist()
    assert rows == [{"n": Decimal("1.50000"), "l": [Decimal("1.5"), None]}]


def test_connection_broken_while_idle_is_reopened(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(storage, declared(), x=[1])
    monkeypatch.setattr(connections, "_FRESH_S", 0.0)
    postgresql_server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{database}' AND pid <> pg_backend_pid()"
    )
    assert storage.stat(declared()) is not None


def test_late_errors_are_reported_like_early_ones(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str
) -> None:
    postgresql_server.run(
        "CREATE VIEW late AS SELECT 1 / (50000 - n) AS x FROM generate_series(1, 60000) AS n", database
    )
    table = declared("late", kind="source", x="int64")
    for look in (lambda: storage.scan(table, table.columns).table(), lambda: storage.content(table, ())):
        with pytest.raises(StorageError) as caught:
            look()
        assert caught.value.message.endswith("/late cannot be read: division by zero")


def test_no_secret_is_shown(database: str) -> None:
    root = f"postgresql://me:tell-nobody@127.0.0.1:54709/{database}?sslmode=disable&password=tell-nobody"
    storage = PostgreSQLStorage(StorageSpec("w", root, root, format="", type="postgresql"))
    assert storage.uri(declared()) == f"postgresql://127.0.0.1:54709/{database}/t"
    with pytest.raises(StorageError) as caught:
        storage.stat(declared())
    assert "tell-nobody" not in str(caught.value)


def test_read_only_user_plans_but_cannot_run(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str
) -> None:
    postgresql_server.run("CREATE TABLE theirs (x bigint)", database)
    user = f"reader_{database}"
    postgresql_server.run(f"CREATE ROLE {user} LOGIN PASSWORD 'pw'; GRANT SELECT ON theirs TO {user}", database)
    root = f"postgresql://{user}:pw@127.0.0.1:{postgresql_server.port}/{database}"
    reader = PostgreSQLStorage(StorageSpec("w", root, root, format="", type="postgresql"))
    theirs = declared("theirs", kind="source", x="int64")
    assert reader.scan(theirs, theirs.columns).table().num_rows == 0
    assert reader.content(theirs, ()) is not None
    assert reader.read_manifest(declared()) is None
    with pytest.raises(StorageError) as caught:
        stored(reader, declared(), x=[1])
    assert "permission denied for schema public" in caught.value.message
    assert "grant" in (caught.value.hint or "")


def test_refused_values_have_column_and_rows(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str
) -> None:
    for texts in (pa.array(["a", "b\0", "c"]), pa.array([["a"], ["c", "b\0"], []])):
        with pytest.raises(StorageError) as refused:
            stored(storage, declared(), id=[1, 2, 3], x=texts)
        assert "`x` holds NUL characters in 1 row" in refused.value.message
        assert "holds NUL characters in 1 row (row 2: " in refused.value.message
        assert "change them where they are made" in (refused.value.hint or "")
    postgresql_server.run(
        "CREATE TABLE theirs AS SELECT 1 AS id, interval '1 day' AS span UNION ALL SELECT 2, interval '3 mon 1 day'"
        " UNION ALL SELECT 3, NULL",
        database,
    )
    with pytest.raises(DataError) as caught:
        storage.scan(declared("theirs", kind="source"), None).table()
    assert [(e.row, e.value) for e in caught.value.violations[0].examples] == [(2, "'3 mons 1 day'")]


def test_every_unreadable_column_is_named_with_place(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str
) -> None:
    postgresql_server.run("CREATE TABLE one AS SELECT 1 AS id, '{{1,2},{3,4}}'::int[] AS m", database)
    postgresql_server.run("CREATE TABLE two AS SELECT *, '1 month'::interval AS span FROM one", database)
    place = Location("lakehouse.yaml", 3, 3)
    with pytest.raises(DataError) as caught:
        storage.scan(replace(declared("one", kind="source"), contract=Contract(), location=place), None).table()
    assert caught.value.location == place
    assert caught.value.message == (f"{storage.shown_root()}/one: `m` holds arrays of several dimensions in 1 row")
    assert "declare the columns that are wanted" in (caught.value.hint or "")
    for columns, trouble in (
        (None, "cannot be read as they are"),
        ({"m": "list<int32>", "span": "string"}, "declared"),
    ):
        table = declared("two", kind="source", **(columns or {}))
        with pytest.raises(DataError) as caught:
            storage.scan(table, table.columns if columns else None).table()
        assert caught.value.message.startswith(f"2 columns of {storage.shown_root()}/two ")
        assert trouble in caught.value.message
        assert [(v.column, v.examples[0].value) for v in caught.value.violations] == [
            ("m", "'{{1,2},{3,4}}'"),
            ("span", "'1 mon'"),
        ]


@pytest.mark.parametrize(("columns", "limit"), [(1_250, "8 kB"), (1_650, "1,600 columns")])
def test_too_wide_table_is_refused_with_the_limit(storage: PostgreSQLStorage, columns: int, limit: str) -> None:
    with pytest.raises(StorageError) as caught:
        stored(storage, declared(), **{f"c{i}": [0.5] for i in range(columns)})
    assert limit in (caught.value.hint or "")


def test_char_is_read_without_its_padding(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str
) -> None:
    postgresql_server.run("CREATE DOMAIN code AS char(5)", database)
    postgresql_server.run(
        'CREATE TABLE t (a char(5), b char(5)[], c code, d code[], e varchar(5), f text, g bpchar, h "char", i char,'
        " j varchar(5)[], k char(3)[][])",
        database,
    )
    postgresql_server.run(
        "INSERT INTO t VALUES ('ab', '{ab,NULL,\"  \"}', 'ab', '{ab}', 'ab ', 'ab ', 'ab ', 'x', 'x',"
        " '{\"ab \"}', '{}'),"
        " (' a b', NULL, NULL, NULL, NULL, NULL, NULL, NULL, ' ', NULL, NULL)",
        database,
    )
    source = replace(declared(kind="source"), contract=Contract())
    first, second = storage.scan(source, None).table().to_pylist()
    assert first == {
        "a": "ab",
        "b": ["ab", None, ""],
        "c": "ab",
        "d": ["ab"],
        "e": "ab ",
        "f": "ab ",
        "g": "ab",
        "h": "x",
        "i": "x",
        "j": ["ab "],
        "k": [],
    }
    assert (second["a"], second["i"]) == (" a b", "")
    typed = storage.scan(declared(kind="source", a="dictionary<string>", b="list<string>", c="string"), None).table()
    assert typed.column("a").to_pylist() == ["ab", " a b"]
    before = storage.content(source, ())
    postgresql_server.run("UPDATE t SET a = 'ab   ' WHERE a = 'ab'", database)
    after = storage.content(source, ())
    assert before is not None
    assert after is not None
    assert after.content_hash == before.content_hash


def test_rows_of_what_is_refused_in_arrays_are_the_tables(
    storage: PostgreSQLStorage, postgresql_server: PostgreSQL, database: str
) -> None:
    postgresql_server.run("CREATE TABLE t (d date[], s timestamp[], t time[])", database)
    postgresql_server.run(
        "INSERT INTO t VALUES ('{2020-01-01,2020-01-02}', NULL, '{0:00,1:00}'),"
        " ('{2020-01-01,infinity}', '{NULL,-infinity}', '{0:00,24:00}')",
        database,
    )
    with pytest.raises(DataError) as caught:
        storage.scan(replace(declared(kind="source"), contract=Contract()), None).table()
    rows = {found.column: [example.row for example in found.examples] for found in caught.value.violations}
    assert rows == {"d": [2], "s": [2], "t": [2]}
