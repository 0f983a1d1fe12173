"""The contract of a table, enforced on what computes it gave: as a whole or piece by piece."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.ordering import order_problem
from lakehouse_cli.arrow.types import from_arrow
from lakehouse_cli.contracts import Enforced, Enforcement, enforce
from lakehouse_cli.contracts.hiding import hide_sensitive
from lakehouse_cli.contracts.keys import at_key
from lakehouse_cli.errors import ContractError, TransformError, Violation
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.runner.external_sort import sort_pieces
from lakehouse_cli.runner.jobs import Job
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import rehearsed
from lakehouse_cli.storage.undeclared_types import check_columns_beside, check_undeclared_types
from lakehouse_cli.text.counts import count_text
from lakehouse_cli.text.python_words import in_words_of
from lakehouse_cli.transforms import load_transform

if TYPE_CHECKING:
    from lakehouse_cli.runner.checking import JudgedPieces


def enforced_result(
    job: Job, place: Workplace, storage: AssetStorage, result: pa.Table | Iterator[pa.Table]
) -> Enforced:
    """Enforce a table's contract on a result that is needed as a whole; rehearse storing what is not published.

    Raises:
        ContractError: The result breaks it.
        StorageError: It could not be stored.
    """
    table = job.table
    if table.serializer and isinstance(result, pa.Table):
        if not job.publish:
            rehearsed(storage, table, iter([result]))
        return Enforced(result, ())
    if not isinstance(result, pa.Table):
        with closing(Enforcement(table.columns, table.key, table.extra_columns, job.keys)) as enforcement:
            pieces = kept_pieces(job, place, storage, result, enforcement)
            if not job.publish:
                pieces = rehearsed(storage, table, pieces)
            whole = pa.concat_tables(pieces)
            return Enforced(whole, enforcement.dropped, _judged(job, place, whole))
    try:
        enforced = enforce(result, table.columns, key=table.key, extra_columns=table.extra_columns, others=job.keys)
        if job.periods:
            with _dimensions(job) as check_dimensions:
                check_dimensions(enforced.table)
    except ContractError as error:
        raise explained(error, table, place.folder, result.schema) from None
    _check_order(enforced.table.schema, table)
    _check_undeclared(job, storage, enforced.table)
    if table.row_order:
        found = sort_pieces(iter([enforced.table]), table.row_order, table.name)
        enforced = replace(enforced, table=found if isinstance(found, pa.Table) else pa.concat_tables(found))
    if not job.publish:
        rehearsed(storage, table, iter([enforced.table]))
    return replace(enforced, checks=_judged(job, place, enforced.table)) if job.judges else enforced


def _judged(job: Job, place: Workplace, table: pa.Table) -> tuple[CheckRecord, ...]:
    """What the checks of a result find.

    Raises:
        ContractError: One failed that keeps it from being published.
    """
    if not job.judges:
        return ()
    from lakehouse_cli.runner.checking import judge_table  # not loaded where no table has checks

    try:
        return judge_table(job, place, table)
    except ContractError as error:
        raise explained(error, job.table, place.folder, None) from None


def judged_pieces(job: Job, place: Workplace, pieces: Iterator[pa.Table]) -> JudgedPieces:
    """The pieces of a result whose checks are judged as they pass; a failure says what to do."""
    from lakehouse_cli.runner.checking import JudgedPieces

    return JudgedPieces(job, place, pieces, lambda error: explained(error, job.table, place.folder, None))


def judged_anew(job: Job, place: Workplace, error: ContractError) -> Job:
    """The job, where partitions that were stored at the same time have some of its keys: judged again, it names rows.

    Raises:
        ContractError: That which is given, where it is another.
    """
    if job.keys is None or error.violations:
        raise error
    from lakehouse_cli.runner.checking import with_keys  # seldom needed

    return with_keys(job, place)


def kept_pieces(
    job: Job, place: Workplace, storage: AssetStorage, result: Iterator[pa.Table], enforcement: Enforcement
) -> Iterator[pa.Table]:
    """The pieces of a result that keeps its contract, in the order of its rows.

    Raises:
        ContractError: It does not, which is known at its end.
    """
    table = job.table
    if table.serializer:
        return result

    def judged() -> Iterator[pa.Table]:
        first: pa.Schema | None = None
        schema = pa.schema([])
        rows = 0
        try:
            with _dimensions(job) as check_dimensions:
                for piece in result:
                    schema = piece.schema
                    rows += piece.num_rows
                    kept = enforcement.piece(piece)
                    if kept is None:
                        continue
                    check_dimensions(kept)
                    if first is None:
                        first = kept.schema
                        _check_order(first, table)
                        _check_undeclared(job, storage, kept)
                    elif kept.schema != first:
                        raise _other_types(table, place.folder, rows - kept.num_rows, first, kept.schema)
                    yield kept
                enforcement.finish()
        except ContractError as error:
            raise explained(error, table, place.folder, schema) from None

    if not table.row_order:
        return judged()
    # By values of the declared types: those that a query returns may have another order.
    found = sort_pieces(judged(), table.row_order, table.name)
    return iter([found]) if isinstance(found, pa.Table) else found


@contextmanager
def _dimensions(job: Job) -> Iterator[Callable[[pa.Table], None]]:
    """Judge the columns of a partition that are dimensions: piece by piece in the block, and as a whole at its end.

    Raises:
        ContractError: A row is of another partition.
    """
    if not job.periods:
        yield lambda _: None
        return
    from lakehouse_cli.runner.dimension_columns import DimensionColumns  # not loaded for whole tables

    with DimensionColumns(job.table, job.periods).judging() as check:
        yield check


def _check_undeclared(job: Job, storage: AssetStorage, piece: pa.Table) -> None:
    """Judge the columns that are not declared.

    Raises:
        ContractError: The storage cannot hold them.
        TransformError: Another partition has others, with which it could not be read as one.
    """
    table = job.table
    check_undeclared_types(storage, table, piece.schema, piece.num_rows)
    check_columns_beside(table, piece.schema, job.beside)


def _check_order(schema: pa.Schema, table: Table) -> None:
    """Refuse columns to order by that are not there or have no order.

    Raises:
        TransformError: One is.
    """
    if (problem := order_problem(schema, table.order_by)) is not None:
        index, message, hint = problem
        raise TransformError(message, hint=hint, location=table.where(f"order_by.{index}"))


def _other_types(table: Table, folder: Path, before: int, first: pa.Schema, schema: pa.Schema) -> TransformError:
    """The error of a batch that has other columns than those before it, where these are not declared."""
    names = [
        name for name in dict.fromkeys((*first.names, *schema.names)) if _type_in(first, name) != _type_in(schema, name)
    ]
    name = names[0] if names else schema.names[0]
    was, is_ = (_type_in(each, name) or "not there" for each in (first, schema))
    what = f"column `{name}` is {is_}" if names else "the columns are in another order"
    row = f" from row {count_text(before + 1)} on" + (f", and {was} before" if names else "")
    return TransformError(
        f"result of {table.computed_by}: {what}{row}",
        hint=f"make all batches of one schema in {_place(table, folder)}, or declare `columns:`",
    )


def _type_in(schema: pa.Schema, name: str) -> str | None:
    if name not in schema.names:
        return None
    kind = schema.field(name).type
    return str(from_arrow(kind) or kind)


def explained(error: ContractError, table: Table, folder: Path, schema: pa.Schema | None) -> ContractError:
    """The error of a result with the place of the contract, and what to do; without schema, it is in a database."""
    if table.query is not None and schema is not None:
        of_one = len(error.violations) == 1
        error.violations = tuple(_of_query(each, table, schema) for each in error.violations)
        error.message = error.violations[0].message if of_one else error.message
    file = table.location.file if table.location is not None else None
    error.violations = tuple(replace(each, message=in_words_of(file, each.message)) for each in error.violations)
    error.message = in_words_of(file, error.message)
    hide_sensitive(error, table.contract.sensitive, table.key)
    error.location = error.location or table.where("columns")
    error.hint = error.hint or f"fix {_place(table, folder)}, or relax the contract"
    return at_key(error, table)


def _of_query(violation: Violation, table: Table, schema: pa.Schema) -> Violation:
    """A violation with what to do in a query, where it says what to do in Python."""
    found, _, hint = violation.message.partition("; ")
    types = {column.name: column.type for column in table.columns or ()}
    if violation.column not in types or not any(word in hint for word in ("in the transform", "`.")):
        return violation
    from lakehouse_cli.storage_types.duckdb import cast_hint  # not loaded for functions

    returned = from_arrow(schema.field(violation.column).type) if violation.column in schema.names else None
    return replace(violation, message=f"{found}; {cast_hint(types[violation.column], returned)}")


def _place(table: Table, folder: Path) -> str:
    """Name the computation and where it is defined."""
    if table.function is None:
        place = table.query.place(1) if table.query is not None else None
        return f"{table.computed_by} ({place})" if place is not None else table.computed_by
    transform = load_transform(table.function, folder, of_table=table.returns_table)
    code = getattr(inspect.unwrap(transform.fn), "__code__", None)
    if code is None:
        return f"`{transform.name}`"
    file = Path(code.co_filename)
    shown = file.relative_to(folder) if file.is_relative_to(folder) else file
    return f"`{transform.name}` ({shown}:{code.co_firstlineno})"
