"""A table computed in its database: query, contract and publishing in one transaction; no row leaves the database."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Any, NamedTuple

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.ordering import order_problem
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.engines.interruption import interruptibly
from lakehouse_cli.errors import (
    CORRECT_DATA,
    ContractError,
    DataError,
    FailedRows,
    LakehouseError,
    StorageError,
    TransformError,
    Violation,
)
from lakehouse_cli.formats.missing_columns import missing_columns
from lakehouse_cli.model import Column, ColumnType, Table
from lakehouse_cli.model.contract import Contract
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.unit import as_returned
from lakehouse_cli.storage.counted_pieces import CountedPieces
from lakehouse_cli.storage.errors import translate_errors
from lakehouse_cli.storage.format_storage import missing_data
from lakehouse_cli.storage.queries import (
    Computed,
    DatabaseQuery,
    Origin,
    QueryInput,
    QueryInputError,
    QueryTimeoutError,
)
from lakehouse_cli.storage.relational.base import RelationalStorage
from lakehouse_cli.storage.relational.contract_sql import Conversion, JudgedColumn, Judgement, is_text, judge
from lakehouse_cli.storage.relational.dialect import QueryDialect, RefusedQueryError, Staged
from lakehouse_cli.storage.relational.inspection import inspect_tables, record_of
from lakehouse_cli.storage.relational.publishing import NewTable, publish_table
from lakehouse_cli.storage.relational.result_types import TypedResult, judge_types
from lakehouse_cli.storage.relational.rows_within import rows_within
from lakehouse_cli.storage.relational.session import Relation, Session
from lakehouse_cli.storage.relational.unit_inputs import UnitInput, look_at_units
from lakehouse_cli.storage.relational.unit_results import filled, refuse_others
from lakehouse_cli.storage.relational.unit_rows import aside_of, publish_unit
from lakehouse_cli.storage.undeclared_types import check_columns_beside, check_undeclared_types
from lakehouse_cli.storage.wrapper import innermost
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.sql import quote

#: Seconds after which what goes on beyond its time is ended again: it may have been between two statements.
_AGAIN_S = 0.2


class _Written(NamedTuple):
    """The result in a new table of its declared types."""

    new: NewTable
    dropped: tuple[str, ...]


# Bytes of a result that wait in memory for its checks.
_SPOOLED = 1 << 26


class _RollBackError(Exception):
    """Undoes a transaction whose result was read."""


def publish_query(storage: RelationalStorage, table: Table, query: DatabaseQuery, origin: Origin) -> Computed:
    """Run a query, enforce the contract on its rows, and let them take the place of the table: one transaction.

    Raises:
        QueryInputError: An input cannot be read, or is not as declared.
        QueryTimeoutError: It took longer than it may.
        ContractError: The result breaks the contract.
        TransformError: The query failed.
        StorageError: It could not be stored. Whatever is raised, nothing was changed.
    """
    computing = _Computation(storage, table, query)
    return interruptibly(computing, lambda: _publish(computing, storage, table, query, origin))


def _publish(
    computing: _Computation, storage: RelationalStorage, table: Table, query: DatabaseQuery, origin: Origin
) -> Computed:
    relation = storage.relation(table)
    with translate_errors(storage, table, "written"), storage.computing(relation, computing.relations()) as session:
        kept = None
        if relation.is_unit:
            storage._refuse_unit(table, session, forced=query.forced)
        else:
            found, kept = session.find_one(relation), session.kept_of(relation)
            storage._refuse(table, found, kept if found else None, query.forced)
        with _limited(session, query.timeout):
            written, records = computing.run(session, aside_of(relation) if relation.is_unit else relation)
            digest = session.digest(written.new.aside, written.new.found)
        if query.judge is not None:
            spooled, conversion = _spooled(storage, session, table, written.new, _SPOOLED)
            conversion.finish()
            query.judge(spooled.pieces())
        if relation.is_unit:
            manifest = publish_unit(storage, session, table, written.new, digest, origin(records))
        else:
            manifest = publish_table(storage, session, table, written.new, digest, kept, origin(records))
    storage._forget(relation)
    return Computed(written.dropped, manifest)


def compute_query(storage: RelationalStorage, table: Table, query: DatabaseQuery) -> Computed:
    """Run a query as `publish_query` does, read what it would store, and undo all of it; raises what that raises."""
    computing = _Computation(storage, table, query)
    return interruptibly(computing, lambda: _compute(computing, storage, table, query))


def _compute(computing: _Computation, storage: RelationalStorage, table: Table, query: DatabaseQuery) -> Computed:
    result: Computed | None = None
    try:
        with translate_errors(storage, table, "written"), storage.computing(None, computing.relations()) as session:
            with _limited(session, query.timeout):
                relation = storage.relation(table)
                written, _ = computing.run(session, aside_of(relation) if relation.is_unit else relation)
                spooled, conversion = _spooled(storage, session, table, written.new, None)
            conversion.finish()
            data = spooled.table()
            if query.judge is not None:
                query.judge(iter([data]))
            result = Computed(written.dropped, data=data)
            raise _RollBackError
    except _RollBackError:
        assert result is not None  # noqa: S101  # set before it is raised
        return result


def _spooled(
    storage: RelationalStorage, session: Session, table: Table, new: NewTable, in_memory: int | None
) -> tuple[Any, Any]:
    """The rows of a new table, as they will be read."""
    columns = [Column(each.name, from_arrow(each.type) or ColumnType("string")) for each in new.columns.schema]
    return storage._fitted(session, table, new.aside, new.found, columns, in_memory)


@contextmanager
def _limited(session: Session, seconds: float | None) -> Iterator[None]:
    """End what a session does beyond so many seconds.

    Raises:
        QueryTimeoutError: It took longer.
    """
    if seconds is None:
        yield
        return
    done, over = threading.Event(), threading.Event()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            over.set()
            session.cancel()
            wait = _AGAIN_S

    watching = threading.Thread(target=watch, name="query timeout", daemon=True)
    watching.start()
    try:
        yield
    except Exception:
        if over.is_set():
            raise QueryTimeoutError from None
        raise
    finally:
        done.set()
        watching.join()
    if over.is_set():
        raise QueryTimeoutError


class _Computation:
    """The work of one query, up to a new table of its rows."""

    def __init__(self, storage: RelationalStorage, table: Table, query: DatabaseQuery) -> None:
        self._storage = storage
        self._table = table
        self._query = query
        self._session: Session | None = None
        self._untouched: set[str] = set()
        # By the name of the input, those of partitions; and tables of this transaction alone, which are dropped in it.
        self._units: dict[str, UnitInput] = {}
        self._made: list[Relation] = []

    def interrupt(self) -> None:
        """End what the database does for it; called from another thread."""
        if self._session is not None:
            self._session.cancel()

    def relations(self) -> list[Relation]:
        """What the inputs are in the database, those that are stored."""
        return [self._home(each).relation(each.table).base for each in self._stored()]

    def _stored(self) -> list[QueryInput]:
        return [each for each in self._query.inputs.values() if each.data is None]

    def _home(self, of: QueryInput) -> RelationalStorage:
        """The storage of an input, by the same kind of database as that of the result."""
        home: Any = innermost(of.storage)
        if type(home) is not type(self._storage) or home.spec.root != self._storage.spec.root:
            raise TransformError(
                f"`{of.table.name}` lies in another database than `{self._table.name}`, where its query runs",
                hint=f"run `{of.table.name}` in this environment, or remove `engine: storage`",
                location=self._table.where("engine"),
            )
        storage: RelationalStorage = home
        return storage

    def run(self, session: Session, relation: Relation) -> tuple[_Written, dict[str, InputRecord]]:
        """Run the query, enforce the contract, and write a new table; return the contents of the inputs as well."""
        self._session = session
        dialect = self._storage.dialect(session, self._query)
        records = self._records(session)
        with self._failing(dialect):
            dialect.begin()
        for name, each in self._query.inputs.items():
            try:
                self._show(session, dialect, name, each)
            except (DataError, StorageError) as error:
                raise QueryInputError(each.name, error) from None
        with self._failing(dialect):
            staged = dialect.stage(lambda names: self._order(names, is_ordered=dialect.is_ordered))
            dialect.end()
        written = self._write(session, dialect, relation, staged)
        for made in self._made:
            session.do(f"DROP TABLE {session.sql(made)}")
        return written, records

    def _records(self, session: Session) -> dict[str, InputRecord]:
        """The content of each stored input, as this transaction sees it."""
        records: dict[str, InputRecord] = {}
        for each in self._stored():
            if each.table.is_partitioned:
                with _blaming(each.name):
                    found = self._units[each.name] = look_at_units(self._home(each), session, each.table)
                records[each.name] = found.record
                if found.untouched:
                    self._untouched.add(each.name)
        inputs = {each.name: each for each in self._stored() if not each.table.is_partitioned}
        relations = {name: self._home(each).relation(each.table) for name, each in inputs.items()}
        looks = self._storage._hashed(session, inspect_tables(session, list(relations.values()))) if relations else {}
        for name, each in inputs.items():
            look = looks[relations[name]]
            if look.found is None:
                hint = f"make the table or view in {self._storage.names.owner}"
                raise QueryInputError(name, missing_data(each.table, each.storage.uri(each.table), hint))
            record = record_of(look, each.known, name)
            if look.digest is not None:
                record = record._replace(rows=look.digest.rows)
            elif record.rows < 0:
                record = record._replace(rows=session.count(relations[name]))
            records[name] = record
            if each.table.kind == "computed" and look.untouched:
                self._untouched.add(name)
        return records

    @contextmanager
    def _failing(self, dialect: QueryDialect) -> Iterator[None]:
        """Report what the database says of the query as its failure, with the place."""
        table, query = self._table, self._table.query
        assert query is not None  # noqa: S101  # it is what runs
        try:
            yield
        except RefusedQueryError as refused:
            message = f"{table.computed_by} is refused: {refused.message}"
            raise TransformError(message, hint=refused.hint, location=query.place(1)) from None
        except Exception as error:
            cause = None if isinstance(error, LakehouseError) else self._storage.driver_cause(error)
            if cause is None or cause.out_of_reach is not None:
                raise
            place = dialect.place(error)
            raise TransformError(
                f"{table.computed_by} failed: {cause.reason}",
                hint=cause.hint or "correct the query, or the data that it reads",
                location=query.place(*place) if place is not None else query.place(None),
            ) from error

    def _order(self, names: Sequence[str], *, is_ordered: bool) -> Sequence[str]:
        """By which columns of the result its rows are stored."""
        table = self._table
        first = [name for name in table.order_by or (table.key if is_ordered else ()) if name in names]
        return [*first, *(name for name in names if name not in first)] if is_ordered else first

    def _show(self, session: Session, dialect: QueryDialect, name: str, of: QueryInput) -> None:
        """Let the query read an input by its name, with the declared columns in their declared types."""
        table, units, data = of.table, self._units.get(of.name), of.data
        if units is not None and units.found is None:
            data = _no_rows(table)
        is_stored = data is None
        if units is not None and units.found is not None:
            relation, there, rows = units.base, units.found, units.source
        else:
            relation = self._home(of).relation(table) if data is None else self._written_input(session, table, data)
            found = session.find_one(relation)
            assert found is not None  # noqa: S101  # its content was looked at in this transaction
            there, rows = found, session.sql(relation)
        types = dict(there.columns)
        named = {each.name: str((is_stored and each.from_) or each.name) for each in table.columns or ()}
        lacking = [column for column in table.columns or () if named[column.name] not in types]
        if lacking:
            error = missing_columns(
                of.storage.uri(table), lacking, list(types), table.columns, reason="there is no such column"
            )
            error.location = lacking[0].location
            raise error
        others = [each for each in types if each not in named.values()]
        keeps = table.columns is None or (table.kind == "computed" and table.extra_columns == "keep")
        raw = {**named, **({each: each for each in others} if keeps else {})}
        picked = ", ".join(f"{quote(stored)} AS {quote(name)}" for name, stored in raw.items())
        source = f"(SELECT {picked} FROM {rows}) AS source"
        sql_types = {name: types[stored] for name, stored in raw.items()}
        conversions, judged = self._of_input(dialect, of, sql_types)
        key = table.key if table.kind == "source" else ()
        where = ""
        if of.span is not None:
            where = f" WHERE {rows_within(dialect, name, of, conversions, sql_types)}"
            near = "" if key else session.condition(of.span, sql_types[of.span.column])
            source = f"(SELECT * FROM {source} WHERE {near}) AS source" if near else source
        wants = key or any(each.faults or (each.declared and not each.declared.nullable) for each in judged)
        if is_stored and wants and of.name not in self._untouched:  # as it was judged when it was stored
            judgement = judge(session, source, judged, key, of.table.contract.sensitive)
            if judgement.violations:
                error = _broken(DataError, judgement.violations, judgement.failed)
                error.hint = CORRECT_DATA
                raise error
        columns = (f"{conversions[n].expression if n in conversions else quote(n)} AS {quote(n)}" for n in raw)
        dialect.show(name, f"SELECT {', '.join(columns)} FROM {source}{where}", relation)

    def _of_input(
        self, dialect: QueryDialect, of: QueryInput, types: Mapping[str, str]
    ) -> tuple[dict[str, Conversion], list[JudgedColumn]]:
        """How the declared columns of an input come to their types, and what is judged of them."""
        conversions: dict[str, Conversion] = {}
        judged, violations = [], []
        is_source = of.table.kind == "source"
        for column in of.table.columns or ():
            stored = types[column.name]
            found = dialect.conversion(quote(column.name), stored, column.type)
            if found is None and column.type.id == "string" and dialect.natural(stored) is None:
                found = Conversion(dialect.session.text_of(quote(column.name)))  # as it is read otherwise
            if found is None:
                message = f"`{column.name}` is declared {column.type} and is {stored} in the database"
                violations.append(Violation(column.name, "type", 0, message, (), column.location))
                continue
            conversions[column.name] = found
            declared = column if is_source else None
            judged.append(JudgedColumn(column.name, found.faults, declared, is_text(column.type)))
        if violations:
            error = _broken(DataError, violations, None)
            error.hint = "declare another type, or select from a view that casts it"
            raise error
        return conversions, judged

    def _written_input(self, session: Session, table: Table, data: pa.Table) -> Relation:
        """Store rows that are stored nowhere, for this transaction."""
        prepared, types = self._storage._stored_form(table, CountedPieces(iter([data])), None)
        schema = self._storage.default_schema()
        self._made.append(session.write(Relation(schema, f"lakehouse_input_{token_hex(8)}"), prepared, types))
        return self._made[-1]

    def _write(self, session: Session, dialect: QueryDialect, relation: Relation, staged: Staged) -> _Written:
        """Enforce the contract on what the query gave, and write it in the declared types."""
        table = self._table
        own = self._own_values(session)
        typed, judgement = _enforced(session, dialect, as_returned(table, staged.columns), staged, own)
        values = {name: found.expression for name, found in typed.conversions.items()}
        empty = filled(typed.empty, table, self._query.dimensions)
        if (problem := order_problem(empty.schema, table.order_by)) is not None:
            index, message, hint = problem
            raise TransformError(message, hint=hint, location=table.where(f"order_by.{index}"))
        check_undeclared_types(self._storage, table, empty.schema, empty.num_rows)
        check_columns_beside(table, empty.schema, self._query.beside)
        prepared, types = self._storage._stored_form(table, CountedPieces(iter([empty])), None)
        select = ", ".join((own | values)[name] for name in types)
        aside = session.write_from(relation, prepared, types, f"SELECT {select} FROM {staged.source}")
        return _Written(NewTable(aside, session.find([aside])[aside], empty, judgement.rows), typed.dropped)

    def _own_values(self, session: Session) -> dict[str, str]:
        """The values of columns that are dimensions, as they are stored, by name: as SQL."""
        row = self._query.dimensions
        if row is None or not row.num_columns:
            return {}
        names = {name: f"lakehouse_own_{number}" for number, name in enumerate(row.column_names)}
        named = row.rename_columns(list(names.values()))
        form = replace(self._table, contract=Contract())
        values = self._written_input(session, form, named)
        return {name: f"(SELECT {quote(own)} FROM {session.sql(values)})" for name, own in names.items()}


def _no_rows(table: Table) -> pa.Table:
    return pa.table({each.name: pa.nulls(0, to_arrow(each.type)) for each in table.columns or ()})


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        raise QueryInputError(name, error) from None


def _enforced(
    session: Session, dialect: QueryDialect, table: Table, staged: Staged, own: Mapping[str, str]
) -> tuple[TypedResult, Judgement]:
    """Judge names and types of the result as any result is judged, and its values in the database.

    Args:
        session: The transaction.
        dialect: Of its database.
        table: As the query returns it.
        staged: What it returned.
        own: The values of columns that are dimensions, by name: as SQL.

    Raises:
        ContractError: With all violations.
    """
    typed = judge_types(dialect, table, staged.columns)
    present = {each.name for each in typed.judged}
    judged = typed.judged
    if table.columns is not None and table.extra_columns != "keep":
        judged = [each for each in judged if each.declared is not None]
    key = table.key if set(table.key) <= present else ()
    judgement = judge(session, staged.source, judged, key, table.contract.sensitive)
    violations = (*typed.violations, *judgement.violations)
    if violations:
        raise _broken(ContractError, violations, judgement.failed)
    values = {name: (typed.conversions[name].expression, own[name]) for name in own if name in typed.conversions}
    refuse_others(session, table, staged.source, judged, values)
    return typed, judgement


def _broken(kind: type[DataError], violations: Collection[Violation], failed: FailedRows | None) -> DataError:
    first = next(iter(violations))
    message = first.message if len(violations) == 1 else plural(len(violations), "violation")
    error = kind(message, violations, location=first.location)
    error.failed = failed
    return error
