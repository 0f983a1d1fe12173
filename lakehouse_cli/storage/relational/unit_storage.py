"""What databases do with tables that are stored by partition."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import ANY, Partition
from lakehouse_cli.storage.errors import translate_errors
from lakehouse_cli.storage.partition_index import PartitionRecord
from lakehouse_cli.storage.relational.session import Digest, Found, Relation, Session
from lakehouse_cli.storage.relational.session_storage import SessionStorage
from lakehouse_cli.storage.relational.unit_rows import contents_of, drop_digests, drop_units, keep_digests, kept_digests


class UnitStorage(SessionStorage):
    """Partitions as rows of one table; a base, see `RelationalStorage`."""

    _session: Session | None = None

    @abstractmethod
    def digests(self, session: Session, found: Mapping[Relation, Found]) -> Mapping[Relation, Digest]:
        """Hash the rows of relations."""

    def partitions(self, table: Table) -> Mapping[Partition, PartitionRecord]:
        """What is recorded of each partition, in order."""
        base = self.relation(table)
        with translate_errors(self, table, "looked at"), self.session() as session:
            if session is None or (table.partitions == ANY and session.find_one(base) is None):
                return {}  # of a table that a user dropped, no other partitions are left
            return session.units(base).index.of(table.partitions)

    def contents(
        self, table: Table, known: Mapping[Partition, tuple[InputRecord, ...]]
    ) -> Mapping[Partition, InputRecord]:
        """By what the database shows of who touched the rows, else by hashing them."""
        del known
        base = self.relation(table)
        with translate_errors(self, table, "looked at"), self.session() as session:
            if session is None:
                return {}
            kept = session.units(base)
            wanted = kept.index.of(table.partitions)
            found, unsure = contents_of(session, base, kept, wanted)
            if unsure:
                session.expect_digests(unsure)
                digests = self.digests(session, unsure)
                found |= contents_of(session, base, kept, [each.partition for each in unsure], digests)[0]
        return {each: found[each] for each in wanted if each in found}

    @contextmanager
    def storing_anew(self, units: Sequence[Table]) -> Iterator[None]:
        """In one transaction."""
        relations = [self.relation(each) for each in units]
        with translate_errors(self, units[0], "written"), self.session(write=True) as session:
            assert session is not None  # noqa: S101  # writing makes the database
            for base in sorted({each.base for each in relations}):
                session.lock(base)
            self.at_once, self._session = frozenset(relations), session
            try:
                yield
            finally:
                self.at_once, self._session = frozenset(), None

    def writing(self) -> AbstractContextManager[Session | None]:
        """The transaction in which partitions are stored at once, or one of its own."""
        return self.session(write=True) if self._session is None else nullcontext(self._session)

    def claim(self, units: Sequence[Table], run_id: str, started_at: str) -> None:
        """Nothing to do: rows and manifests are one transaction."""

    def keep_digests(self, table: Table, name: str, content: bytes) -> None:
        """In the table of what is recorded of partitions."""
        base = self.relation(table).base
        with translate_errors(self, table, "written"), self.session(write=True) as session:
            assert session is not None  # noqa: S101  # writing makes the database
            session.lock(base)
            keep_digests(session, base, name, content)

    def kept_digests(self, table: Table, name: str) -> bytes | None:
        """From the table of what is recorded of partitions."""
        with translate_errors(self, table, "read"), self.session() as session:
            return None if session is None else kept_digests(session, self.relation(table).base, name)

    def drop_digests(self, table: Table, names: Iterable[str]) -> None:
        """Remove the rows."""
        base = self.relation(table).base
        with translate_errors(self, table, "removed"), self.session(write=True) as session:
            assert session is not None  # noqa: S101  # writing makes the database
            session.lock(base)
            drop_digests(session, base, names)

    def drop(self, units: Sequence[Table]) -> None:
        """Delete their rows and manifests, of each table in one transaction."""
        by_base: dict[Relation, list[Table]] = {}
        for unit in units:
            by_base.setdefault(self.relation(unit).base, []).append(unit)
        for base, group in by_base.items():
            with translate_errors(self, group[0], "removed"):
                with self.session() as session:
                    if session is None or not session.units(base).index.records:
                        continue
                with self.session(write=True) as session:
                    assert session is not None  # noqa: S101  # writing makes the database
                    session.lock(base)
                    drop_units(session, base, [self.relation(each) for each in group])
