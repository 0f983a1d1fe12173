"""Tables of a database, each with its manifest in a table beside them: data and manifest are one transaction."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

from lakehouse_cli.errors import HIDDEN, LakehouseError, StorageError, UnreachableError
from lakehouse_cli.model import Column, ColumnType, StorageSpec, Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.unit import needs_manifest
from lakehouse_cli.storage.base import Pieces, Provenance, Scan, Stored
from lakehouse_cli.storage.capabilities import TableToPublish
from lakehouse_cli.storage.counted_pieces import CountedPieces
from lakehouse_cli.storage.errors import Cause, translate_errors
from lakehouse_cli.storage.format_storage import columns_of, missing_data
from lakehouse_cli.storage.relational.cleaning import CleanedStorage
from lakehouse_cli.storage.relational.inspection import Inspection, inspect_tables, parsed, record_of, refuse_found
from lakehouse_cli.storage.relational.publishing import NewTable, publish_table
from lakehouse_cli.storage.relational.session import Digest, Found, InTheWayError, Kept, Raw, Relation, Session
from lakehouse_cli.storage.relational.unit_rows import aside_of, publish_unit, refuse_base
from lakehouse_cli.text.counts import count_text

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.model.time_span import TimeSpan
    from lakehouse_cli.storage.queries import DatabaseQuery
    from lakehouse_cli.storage.relational.dialect import QueryDialect
    from lakehouse_cli.storage.relational.result_conversion import ResultConversion
    from lakehouse_cli.storage.spool import SpooledTable


class RelationalStorage(CleanedStorage):
    """Tables of a database; a base for one storage for each kind of database.

    A table's path is ``name`` or ``schema/name``. Whatever a writer does is one transaction: a reader sees the old
    table or the new one with its manifest, and a writer that dies leaves nothing behind.
    """

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        # What `prefetch` saw, for each method that uses it: once, as it may be asked again for more than a plan.
        self._looks: dict[str, dict[Relation, Inspection]] = {}
        self._no_way_in: Exception | None = None

    @abstractmethod
    def driver_cause(self, error: Exception) -> Cause | None:
        """Explain a driver's exception; None for what is not the driver's."""

    @abstractmethod
    def stored_type(self, column_type: ColumnType) -> ColumnType:
        """Return the type that a column of a declared type has on its way into the database."""

    #: Whether a plan hashes all tables in one transaction; else each when it is asked for, several at once.
    hashes_at_once: ClassVar[bool] = False

    def digests(self, session: Session, found: Mapping[Relation, Found]) -> Mapping[Relation, Digest]:
        """Hash the rows of relations."""
        return {relation: session.digest(relation, each) for relation, each in found.items()}

    def _hashed(self, session: Session, looks: Mapping[Relation, Inspection]) -> dict[Relation, Inspection]:
        """Return what was seen, with digests of all rows that may have been altered."""
        unsure = {r: look.found for r, look in looks.items() if look.found is not None and look.lacks_digest}
        digests = self.digests(session, unsure)
        return {r: replace(look, digest=digests.get(r, look.digest)) for r, look in looks.items()}

    def explain(self, error: Exception, table: Table | None) -> Cause | None:
        """Explain what a driver raises, and what is in the way of replacing a table."""
        if isinstance(error, InTheWayError):
            return Cause(error.message, error.hint if table is None else error.hint.replace("{table}", table.name))
        return self.driver_cause(error)

    @contextmanager
    def _looking(self, table: Table, doing: str) -> Iterator[Session | None]:
        """A transaction that reads; where `prefetch` waited for a database in vain, it is not waited for again."""
        with translate_errors(self, table, doing):
            no_way_in, self._no_way_in = self._no_way_in, None
            if no_way_in is not None:
                raise no_way_in
            with self.session() as session:
                yield session

    def prefetch(self, tables: Iterable[Table]) -> None:
        """Look at many tables by few queries; what was seen of each is used once, for the plan that asked."""
        self._no_way_in = None
        self._looks.clear()
        relations: list[Relation] = []
        for table in tables:
            if table.is_partitioned:
                continue  # looked at by itself
            try:
                relations.append(self.relation(table))
            except UnreachableError:
                return  # each table reports it
            except LakehouseError:
                continue  # raised when its turn comes
        try:
            with self.session() as session:
                if session is None:
                    return
                looks = inspect_tables(session, relations)
                if self.hashes_at_once:
                    looks = self._hashed(session, looks)
        except Exception as error:
            cause = self.driver_cause(error)
            self._no_way_in = error if cause is not None and cause.out_of_reach else None
            if isinstance(error, LakehouseError) or cause is not None:
                return  # each table reports it
            raise
        self._looks = {method: dict(looks) for method in ("content", "read_manifest", "may_replace")}

    def _prefetched(self, method: str, relation: Relation) -> Inspection | None:
        return self._looks.get(method, {}).pop(relation, None)

    def _forget(self, relation: Relation) -> None:
        for looks in self._looks.values():
            looks.pop(relation, None)

    def stat(self, table: Table) -> Stored | None:
        """Return the size and time by the manifest; of another's table, its size on disk as far as that is known."""
        relation = self.relation(table)
        with translate_errors(self, table, "looked at"), self.session() as session:
            if session is None:
                return None
            found = session.find_one(relation)
            kept = session.kept_of(relation) if found is not None else None
        if found is None:
            return None
        if kept is None:
            return Stored(found.bytes, 0)
        manifest = parsed(kept.text, table.name)
        return Stored(manifest.bytes, manifest.modified_ns)

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """By the manifest where the database shows that nobody touched the table since, else by hashing its rows."""
        relation = self.relation(table)
        look = self._prefetched("content", relation)
        if look is None or look.lacks_digest:
            with self._looking(table, "read") as session:
                if session is None:
                    return None
                looks = {relation: look} if look is not None else inspect_tables(session, [relation])
                look = self._hashed(session, looks)[relation]
        return None if look.found is None else record_of(look, tuple(known), table.name)

    def scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        """Read and hash the declared columns, else those by the manifest: one transaction, which sees the same rows."""
        found = Scan(self, table, partial(self._read, table, columns), partial(self._read_pieces, table, columns))
        found.read_within = partial(self._read_pieces, table, columns)
        return found

    def _read(
        self, table: Table, columns: Sequence[Column] | None, known: tuple[InputRecord, ...] | None
    ) -> tuple[pa.Table, InputRecord | None]:
        spooled, record = self._spooled(table, columns, known, None)
        return spooled.table(), record

    def _read_pieces(
        self,
        table: Table,
        columns: Sequence[Column] | None,
        known: tuple[InputRecord, ...],
        span: TimeSpan | None = None,
    ) -> Pieces:
        from lakehouse_cli.storage.spool import IN_MEMORY

        spooled, record = self._spooled(table, columns, known, IN_MEMORY, span)
        assert record is not None  # noqa: S101  # it was asked for
        return spooled.pieces, record

    def _spooled(
        self,
        table: Table,
        columns: Sequence[Column] | None,
        known: tuple[InputRecord, ...] | None,
        in_memory: int | None,
        span: TimeSpan | None = None,
    ) -> tuple[SpooledTable, InputRecord | None]:
        """Read a table to its end, so that no transaction waits for a transform; the rest is as of `Read`.

        Args:
            table: The table.
            columns: The declared ones.
            known: What its content was at other times; None where the record is not asked for.
            in_memory: As of `SpooledTable`.
            span: Rows that surely lie outside of it are left out; None for all rows.
        """
        from lakehouse_cli.formats.missing_columns import missing_columns

        relation, shown, record = self.relation(table), self.uri(table), None
        with translate_errors(self, table, "read"), self.session(reading=relation) as session:
            found = None if session is None else session.find_one(relation)
            if session is None or found is None:
                raise missing_data(table, shown, f"make the table or view in {self.names.owner}")
            present = [name for name, _ in found.columns]
            if needs_manifest(table, columns):
                kept = session.kept_of(relation)
                if kept is not None and kept.signature == found.signature:
                    columns = columns_of(parsed(kept.text, table.name), columns, f"the manifest of `{table.name}`")
            lacking = [column for column in columns or () if column.name not in present]
            if lacking:
                error = missing_columns(shown, lacking, present, columns, reason="there is no such column")
                error.location = lacking[0].location
                raise error
            if known is not None:
                # Before the rows are read, which may take so long that the times of a file no longer show a change.
                look = self._hashed(session, inspect_tables(session, [relation]))[relation]
                record = record_of(look, known, table.name)
            if span is not None:
                found = replace(found, where=session.condition(span, dict(found.columns)[span.column]))
            spooled, conversion = self._fitted(session, table, relation, found, columns, in_memory)
        conversion.finish()
        return spooled, record

    def _fitted(
        self,
        session: Session,
        table: Table,
        relation: Relation,
        found: Found,
        columns: Sequence[Column] | None,
        in_memory: int | None,
    ) -> tuple[SpooledTable, ResultConversion]:
        """Read all pieces as they are declared; again, with more care, where what one holds depends on others."""
        from lakehouse_cli.storage.relational.result_conversion import FormsDifferError, ResultConversion
        from lakehouse_cli.storage.spool import SpooledTable

        types = dict(found.columns)
        names = list(types) if columns is None else [column.name for column in columns]
        for careful in (True,) if columns is None else (False, True):
            conversion = ResultConversion(columns, self.uri(table), table.where("path", "storage"))
            spooled = SpooledTable(in_memory)
            with (
                suppress(FormsDifferError),
                ExitStack() as unfinished,
                closing(session.read_pieces(relation, found, names, careful=careful)) as pieces,
            ):
                unfinished.callback(conversion.close)
                for raw in pieces:
                    if not careful:
                        conversion.check_forms(raw)
                    piece = conversion.piece(raw if columns is None else self.as_declared(raw, types, columns))
                    if piece is not None:
                        spooled.add(piece)
                unfinished.pop_all()
                return spooled, conversion
        raise AssertionError("one form in all pieces was asked for")

    def as_declared(self, raw: Raw, types: Mapping[str, str], columns: Sequence[Column]) -> Raw:
        """Take values for what the declared type says they are, where the database has several forms of one.

        Args:
            raw: The columns as they were read.
            types: Of the columns in the database, by name.
            columns: The declared ones, all of which were read.
        """
        del types, columns
        return raw

    def count_rows(self, table: Table) -> int | None:
        """As the database counts them."""
        with translate_errors(self, table, "looked at"), self.session() as session:
            return None if session is None else session.count(self.relation(table))

    def may_replace(self, table: Table, *, forced: bool) -> None:
        """Refuse what has no manifest of ours, unless it is forced, and what is no plain table at all."""
        relation = self.relation(table)
        look = self._prefetched("may_replace", relation)
        if look is not None:
            self._refuse(table, look.found, look.kept, forced)
            return
        with translate_errors(self, table, "looked at"), self.session() as session:
            if session is not None and relation.is_unit:
                self._refuse_unit(table, session, forced=forced)
            elif session is not None:
                found = session.find_one(relation)
                self._refuse(table, found, session.kept_of(relation) if found else None, forced)

    def _refuse_unit(self, table: Table, session: Session, *, forced: bool) -> None:
        """Refuse a table that is not stored by these partitions, or not by a run."""
        found = session.find_one(self.relation(table).base)
        self._refuse(table, found, None, forced=True)
        refuse_base(self, session, table, found, forced=forced)

    def _refuse(self, table: Table, found: Found | None, kept: Kept | None, forced: bool) -> None:
        if found is not None:
            refuse_found(table, self.uri(table), found, is_ours=kept is not None, forced=forced)

    def publish(self, table: Table, data: pa.Table, origin: Provenance) -> Manifest:
        """As `publish_pieces`, of one piece that is in memory already."""
        [manifest] = self._publish([TableToPublish(table, iter([data]), lambda: origin)], None)
        return manifest

    def publish_pieces(self, table: Table, pieces: Iterator[pa.Table], origin: Callable[[], Provenance]) -> Manifest:
        """Store rows in a new table, let it take the place of the old one, and keep its manifest: one transaction.

        It begins when the last piece was made, and its rows are known to be such as the database can hold.
        """
        [manifest] = self.publish_together([TableToPublish(table, pieces, origin)])
        return manifest

    def publish_together(self, tables: Sequence[TableToPublish]) -> Sequence[Manifest]:
        """As `publish_pieces`, all in one transaction."""
        from lakehouse_cli.storage.spool import IN_MEMORY

        return self._publish(tables, IN_MEMORY)

    def rehearse(self, table: Table, pieces: Iterator[pa.Table]) -> None:
        """Convert rows as `publish_pieces` does before its transaction; the database is not asked."""
        from lakehouse_cli.storage.spool import IN_MEMORY

        self._stored_form(table, CountedPieces(pieces), IN_MEMORY)

    def _publish(self, tables: Sequence[TableToPublish], in_memory: int | None) -> list[Manifest]:
        prepared = []
        for each in tables:
            counted = CountedPieces(each.pieces)
            prepared.append((each.table, counted, *self._stored_form(each.table, counted, in_memory), each.origin()))
        manifests = []
        with translate_errors(self, tables[-1].table, "written"), self.writing() as session:
            assert session is not None  # noqa: S101  # writing makes the database
            for table, *_ in prepared:
                session.lock(self.relation(table))
            for table, counted, form, types, origin in prepared:
                relation = self.relation(table)
                with translate_errors(self, table, "written"):
                    if relation.is_unit:
                        self._refuse_unit(table, session, forced=origin.forced)
                        aside = session.write(aside_of(relation), form, types)
                        new = NewTable(aside, session.find([aside])[aside], counted.first, counted.rows)
                        digest = session.digest(aside, new.found)
                        manifests.append(publish_unit(self, session, table, new, digest, origin))
                        continue
                    found, kept = session.find_one(relation), session.kept_of(relation)
                    self._refuse(table, found, kept if found else None, origin.forced)
                    aside = session.write(relation, form, types)
                    new = NewTable(aside, session.find([aside])[aside], counted.first, counted.rows)
                    digest = session.digest(aside, new.found)
                    manifests.append(publish_table(self, session, table, new, digest, kept, origin))
        for table, *_ in prepared:
            self._forget(self.relation(table))
        return manifests

    def _stored_form(
        self, table: Table, pieces: CountedPieces, in_memory: int | None
    ) -> tuple[SpooledTable, Mapping[str, ColumnType]]:
        """Convert pieces to the types that the database has for them; returns the types of before as well.

        Raises:
            StorageError: There are columns or values that it cannot hold.
        """
        from lakehouse_cli.arrow.types import from_arrow
        from lakehouse_cli.storage.relational.stored_form import StoredForm
        from lakehouse_cli.storage.spool import SpooledTable

        self.check_columns(table, pieces.first.column_names)
        types = {field.name: type_ for field in pieces.first.schema if (type_ := from_arrow(field.type)) is not None}
        stored = {name: self.stored_type(type_) for name, type_ in types.items()}
        form = StoredForm(stored, {column.name: column.type for column in table.columns or ()}, self.check_column)
        prepared = SpooledTable(in_memory)
        for each in pieces:
            piece = form.piece(each)
            if piece is not None:
                prepared.add(piece)
        if (violation := form.refused()) is not None:
            rows = ", ".join(count_text(example.row) for example in violation.examples)
            is_hidden = violation.column in table.contract.sensitive
            values = ", ".join(HIDDEN if is_hidden else example.value for example in violation.examples)
            where = f" (row {rows}: {values})" if rows else ""
            raise StorageError(
                f"{self.uri(table)} cannot be written: {violation.message}{where}",
                hint=f"{self.names.owner} cannot hold them; change them where they are made, or choose another type",
                location=table.where(f"columns.{violation.column}", "columns"),
            )
        return prepared, types

    @abstractmethod
    def check_column(self, column: pa.ChunkedArray) -> None:
        """Find values, as they would be stored, that the database would not give back, or refuse without saying where.

        Raises:
            InexactError: There are such.
        """

    def read_manifest(self, table: Table) -> Manifest | None:
        """Return the manifest beside the table."""
        relation = self.relation(table)
        look = self._prefetched("read_manifest", relation)
        if look is not None:
            kept = look.kept
        else:
            with self._looking(table, "looked at") as session:
                kept = None if session is None else session.kept_of(relation)
        manifest = None if kept is None else parsed(kept.text, table.name)
        return replace(manifest, table=table.name) if manifest is not None and relation.is_unit else manifest

    @contextmanager
    def computing(self, relation: Relation | None, inputs: Collection[Relation]) -> Iterator[Session]:
        """Open a transaction that runs a query, throughout which its inputs stay as they are seen first.

        Args:
            relation: What its result will be, kept from other writers; None where it is not to be stored.
            inputs: What it reads.
        """
        del inputs
        with self.session(write=True) as session:
            assert session is not None  # noqa: S101  # writing makes the database
            if relation is not None:
                session.lock(relation)
            yield session

    @abstractmethod
    def dialect(self, session: Session, query: DatabaseQuery) -> QueryDialect:
        """Return how this database runs a query in a transaction."""

    def delete(self, table: Table) -> None:
        """Drop the table and remove its manifest."""
        relation = self.relation(table)
        if relation.is_unit:
            self.drop([table])
            return
        with translate_errors(self, table, "removed"), self.session() as session:
            there = session is not None and (session.find_one(relation) or session.kept_of(relation))
        if not there:
            return
        with translate_errors(self, table, "removed"), self.session(write=True) as session:
            assert session is not None  # noqa: S101  # writing makes the database
            session.lock(relation)
            found = session.find_one(relation)
            self._refuse(table, found, None, forced=True)
            session.drop(relation, table=found is not None)
        self._forget(relation)

    def list(self) -> Iterable[Manifest]:
        """Return the manifests, by schema and name."""
        with translate_errors(self, None, "listed"), self.session() as session:
            kept = {} if session is None else session.kept()
        return [parsed(each.text, relation.name) for relation, each in sorted(kept.items())]
