"""Replacing a table in PostgreSQL: what hangs on it stays, and readers see the old rows or the new ones."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Column, Contract, StorageSpec, Table, parse_column_type
from lakehouse_cli.storage.relational.postgresql import PostgreSQLStorage
from lakehouse_cli.testing.storage import ORIGIN
from tests.servers.postgresql import PostgreSQL

DECLARED = Table("t", path="t", contract=Contract((Column("x", parse_column_type("int64")),)), format="")


@dataclass
class Warehouse:
    """A storage on a database of its own, and the server's own client."""

    storage: PostgreSQLStorage
    server: PostgreSQL
    name: str

    def store(self, *values: int, forced: bool = False, **more: list[Any]) -> None:
        """Publish the table ``t``."""
        self.storage.publish(DECLARED, pa.table({"x": list(values), **more}), replace(ORIGIN, forced=forced))

    def run(self, statement: str) -> list[tuple[str, ...]]:
        """Behind the storage's back."""
        return self.server.run(statement, self.name)

    def rows(self, relation: str = "t") -> list[int]:
        """What another client sees."""
        return sorted(int(x) for (x,) in self.run(f"SELECT x FROM {relation}"))

    @property
    def oid(self) -> str:
        """Another where the table is another."""
        return self.run("SELECT 't'::regclass::oid")[0][0]

    @property
    def is_as_stored(self) -> bool:
        """What a plan finds."""
        self.storage.prefetch([DECLARED])
        content, manifest = self.storage.content(DECLARED, ()), self.storage.read_manifest(DECLARED)
        assert content is not None
        assert manifest is not None
        return content.content_hash == manifest.content_hash


@pytest.fixture
def warehouse(postgresql_server: PostgreSQL, postgresql_database: str) -> Warehouse:
    root = postgresql_server.url(postgresql_database)
    storage = PostgreSQLStorage(StorageSpec("warehouse", root, root, format="", type="postgresql"))
    return Warehouse(storage, postgresql_server, postgresql_database)


HANGING = [
    ("CREATE VIEW looking AS SELECT x FROM t", "SELECT sum(x) FROM looking", "5"),
    ("CREATE MATERIALIZED VIEW looking AS SELECT x FROM t", "SELECT count(*) FROM pg_matviews", "1"),
    ("CREATE INDEX by_x ON t (x)", "SELECT count(*) FROM pg_indexes WHERE tablename = 't'", "1"),
    ("ALTER TABLE t ADD PRIMARY KEY (x)", "SELECT count(*) FROM pg_indexes WHERE tablename = 't'", "1"),
    ("ALTER TABLE t ADD CHECK (x > 0)", "SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass", "1"),
    ("GRANT SELECT ON t TO pg_monitor", "SELECT has_table_privilege('pg_monitor', 't', 'SELECT')", "t"),
    ("GRANT SELECT (x) ON t TO pg_monitor", "SELECT has_column_privilege('pg_monitor', 't', 'x', 'SELECT')", "t"),
    ("COMMENT ON TABLE t IS 'ours'", "SELECT obj_description('t'::regclass)", "ours"),
    ("COMMENT ON COLUMN t.x IS 'ours'", "SELECT col_description('t'::regclass, 1)", "ours"),
    ("ALTER TABLE t REPLICA IDENTITY FULL", "SELECT relreplident FROM pg_class WHERE oid = 't'::regclass", "f"),
    ("ALTER TABLE t SET (fillfactor = 70)", "SELECT count(reloptions) FROM pg_class WHERE relname = 't'", "1"),
    ("ALTER TABLE t ALTER x SET DEFAULT 7", "SELECT count(*) FROM pg_attrdef", "1"),
    ("ALTER TABLE t OWNER TO pg_monitor", "SELECT tableowner FROM pg_tables WHERE tablename = 't'", "pg_monitor"),
    ("ALTER TABLE t REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE t",
     "SELECT pubname FROM pg_publication_tables", "p"),
    ("CREATE POLICY mine ON t; ALTER TABLE t ENABLE ROW LEVEL SECURITY", "SELECT count(*) FROM pg_policies", "1"),
    ("CREATE TABLE other (r t)", "SELECT count(*) FROM pg_attribute WHERE atttypid = 't'::regtype", "1"),
    ("CREATE TABLE parts (x bigint) PARTITION BY RANGE (x); ALTER TABLE parts ATTACH PARTITION t DEFAULT",
     "SELECT count(*) FROM parts", "2"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "question", "answer"), HANGING, ids=[each[0] for each in HANGING])
def test_what_hangs_on_a_table_is_there_after_a_run(
    warehouse: Warehouse, statement: str, question: str, answer: str
) -> None:
    warehouse.store(1, 9)
    warehouse.run(statement)
    before = warehouse.oid
    warehouse.store(2, 3)
    assert warehouse.rows() == [2, 3]
    assert warehouse.run(question) == [(answer,)]
    assert warehouse.oid == before
    assert warehouse.run("SELECT count(*) FROM pg_class WHERE relname LIKE 'lakehouse_new%'") == [("0",)]
    assert warehouse.is_as_stored


def test_table_without_dependents_is_recreated(warehouse: Warehouse) -> None:
    warehouse.run("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor")
    warehouse.store(1)
    before = warehouse.oid
    warehouse.store(2)
    assert warehouse.oid != before
    assert warehouse.run("SELECT has_table_privilege('pg_monitor', 't', 'SELECT')") == [("t",)]


@pytest.mark.parametrize(
    "statement", ["UPDATE t SET x = 7 WHERE x = 2", "DELETE FROM t WHERE x = 2", "INSERT INTO t VALUES (1)"]
)
def test_outside_change_is_seen_after_replacing_rows(warehouse: Warehouse, statement: str) -> None:
    warehouse.store(1)
    warehouse.run("CREATE INDEX by_x ON t (x)")
    warehouse.store(2, 3)
    assert warehouse.is_as_stored
    warehouse.run(statement)
    assert not warehouse.is_as_stored


def test_readers_see_the_old_rows_or_the_new_ones(warehouse: Warehouse) -> None:
    size = 2000
    warehouse.store(*[0] * size)
    warehouse.run("CREATE VIEW looking AS SELECT x FROM t")
    stop = threading.Event()
    seen: set[tuple[int, ...]] = set()

    def look() -> None:
        with warehouse.server.asking(warehouse.name) as ask:
            while not stop.is_set():
                seen.add(tuple(int(n) for n in ask("SELECT count(*), min(x), max(x) FROM looking")[0]))

    reader = threading.Thread(target=look)
    reader.start()
    turns = 25
    for turn in range(1, turns):
        warehouse.store(*[turn] * size)
    stop.set()
    reader.join()
    assert seen <= {(size, turn, turn) for turn in range(turns)}
    assert len(seen) > 2


def test_older_snapshot_keeps_its_rows_without_blocking(warehouse: Warehouse) -> None:
    warehouse.store(1, 2)
    warehouse.run("CREATE INDEX by_x ON t (x)")
    with warehouse.server.asking(warehouse.name) as ask:
        ask("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t")
        warehouse.store(3, 4)
        assert warehouse.rows() == [3, 4]
        assert ask("SELECT sum(x) FROM t") == [("3",)]
        ask("COMMIT")
        assert ask("SELECT sum(x) FROM t") == [("7",)]


TRIGGER = """
CREATE TABLE log (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO log VALUES (TG_OP); {} RETURN NEW; END$$;
CREATE TRIGGER noting {} INSERT OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
"""


def test_triggers_fire_as_for_everybody(warehouse: Warehouse) -> None:
    warehouse.store(1)
    warehouse.run(TRIGGER.format("", "AFTER"))
    warehouse.store(2, 3)
    assert warehouse.run("SELECT what, count(*) FROM log GROUP BY 1 ORDER BY 1") == [("DELETE", "1"), ("INSERT", "2")]
    assert warehouse.is_as_stored


def test_trigger_that_changes_rows_is_refused(warehouse: Warehouse) -> None:
    warehouse.store(1)
    warehouse.run(TRIGGER.format("IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; NEW.x = NEW.x + 1;", "BEFORE"))
    with pytest.raises(StorageError, match="a trigger or a rule of the table made other rows"):
        warehouse.store(2)
    assert warehouse.rows() == [1]
    assert warehouse.is_as_stored


def test_rows_that_others_refer_to(warehouse: Warehouse) -> None:
    warehouse.store(1, 2)
    warehouse.run(
        "ALTER TABLE t ADD PRIMARY KEY (x);"
        " CREATE TABLE lines (x bigint CONSTRAINT of_order REFERENCES t ON DELETE CASCADE);"
        " INSERT INTO lines VALUES (1)"
    )
    with pytest.raises(StorageError) as caught:
        warehouse.store(1, 3)
    assert "constraint of_order on table lines refers to them" in caught.value.message
    assert "`DEFERRABLE`" in (caught.value.hint or "")
    assert warehouse.rows() == [1, 2]
    assert warehouse.rows("lines") == [1]
    warehouse.run(
        "ALTER TABLE lines DROP CONSTRAINT of_order, ADD CONSTRAINT of_order FOREIGN KEY (x) REFERENCES t DEFERRABLE"
    )
    warehouse.store(1, 3)
    assert warehouse.rows() == [1, 3]
    with pytest.raises(StorageError, match="still referenced"):
        warehouse.store(3)
    assert warehouse.rows() == [1, 3]
    assert warehouse.is_as_stored


def test_other_columns_and_a_view_that_depends(warehouse: Warehouse) -> None:
    warehouse.store(1)
    warehouse.run("CREATE VIEW looking AS SELECT * FROM t; CREATE INDEX by_x ON t (x)")
    for forced in (False, True):
        with pytest.raises(StorageError) as caught:
            warehouse.store(2, y=["new"], forced=forced)
        assert "its columns change, and view looking depends on it" in caught.value.message
        assert "drop what depends on the table" in (caught.value.hint or "")
    assert warehouse.rows("looking") == [1]
    assert warehouse.is_as_stored


def test_other_columns_and_what_belongs_to_the_table(warehouse: Warehouse) -> None:
    warehouse.store(1)
    warehouse.run("CREATE INDEX by_x ON t (x); GRANT SELECT ON t TO pg_monitor")
    with pytest.raises(StorageError) as caught:
        warehouse.store(2, y=["new"])
    assert "its columns change, and index by_x, its privileges would go with the old table" in caught.value.message
    assert "`lakehouse run --force t`" in (caught.value.hint or "")
    assert warehouse.rows() == [1]
    warehouse.store(2, y=["new"], forced=True)
    assert warehouse.run("SELECT * FROM t") == [("2", "new")]


def test_server_errors_are_quoted(warehouse: Warehouse) -> None:
    warehouse.store(1)
    warehouse.run("CREATE PUBLICATION ours FOR TABLE t")
    with pytest.raises(StorageError) as caught:
        warehouse.store(2)
    reported = 'cannot be written: cannot delete from table "t" because it does not have a replica identity'
    assert reported in caught.value.message
    assert "DELETE FROM ONLY" not in caught.value.message
    assert caught.value.hint == "To enable deleting from the table, set REPLICA IDENTITY using ALTER TABLE"


def test_rows_that_a_policy_hides_are_not_left_behind(warehouse: Warehouse) -> None:
    warehouse.store(1, 2)
    user = f"subject_{warehouse.name}"
    warehouse.run(
        f"CREATE ROLE {user} LOGIN PASSWORD 'pw'; GRANT ALL ON t, lakehouse_manifests TO {user};"
        f" GRANT CREATE ON SCHEMA public TO {user};"
        " CREATE POLICY mine ON t USING (x = 1); ALTER TABLE t ENABLE ROW LEVEL SECURITY"
    )
    root = f"postgresql://{user}:pw@127.0.0.1:{warehouse.server.port}/{warehouse.name}"
    subject = PostgreSQLStorage(StorageSpec("w", root, root, format="", type="postgresql"))
    with pytest.raises(StorageError, match="row-level security"):
        subject.publish(DECLARED, pa.table({"x": [3]}), ORIGIN)
    assert warehouse.rows() == [1, 2]
