"""The work on one table, from its inputs to its published data: the function that an executor runs."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.arrow.ordering import order_problem, sort_rows
from lakehouse_cli.code.fingerprints.value import NOT_FOLLOWED
from lakehouse_cli.code.importing import was_edited
from lakehouse_cli.contracts import Enforced, check, enforce
from lakehouse_cli.errors import ContractError, DataError, LakehouseError, TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord, Recipe
from lakehouse_cli.plan.computations import runnable_computation
from lakehouse_cli.runner.jobs import InputError, Job, Outcome, over_time
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.storage.base import Provenance
from lakehouse_cli.storage.capabilities import check_replaceable, find_lines
from lakehouse_cli.storage.renaming import scan
from lakehouse_cli.storage.undeclared_types import check_undeclared_types
from lakehouse_cli.transforms import SharedTable, load_transform

if TYPE_CHECKING:
    import pyarrow as pa


def read_input(job: Job, place: Workplace, name: str) -> tuple[pa.Table, InputRecord]:
    """Read an input's data from its storage, with the record of their content.

    A source is validated against its contract here; a computed table was when it was published.

    Raises:
        InputError: It is missing, cannot be read, or is not as declared.
    """
    table, expected = job.tables[name], job.expected_inputs.get(name)
    try:
        known = () if expected is None else (expected,)
        data, record = scan(place.storages[table.storage], table, table.columns).table_with_content(known)
        if table.kind == "source":
            _check_source(data, table, place)
    except LakehouseError as error:
        raise InputError(name, error) from error
    return data, record


def _check_source(data: pa.Table, table: Table, place: Workplace) -> None:
    """Judge nulls and key of a source.

    Raises:
        DataError: They break its contract.
    """
    found = check(data, table.columns, key=table.key)
    if found.violations:
        first = found.violations[0]
        error = DataError(first.message, location=first.location)
        lines = find_lines(place.storages[table.storage], table, found.row_numbers())
        found.describe(error, data, table.key, lines)
        raise error


def materialize(
    job: Job, place: Workplace, given: Mapping[str, SharedTable], *, keep: bool = False, timeout: float | None = None
) -> Outcome:
    """Compute one table, enforce its contract and publish it, unless the job says not to.

    Args:
        job: The table.
        place: Storages and code of this process.
        given: The inputs' data, by table.
        keep: Whether the result is wanted in memory.
        timeout: Seconds after which the transform fails; None where the executor ends it.

    Raises:
        LakehouseError: The transform failed, its result breaks the contract, or it could not be published.
    """
    table = job.table
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    try:
        storage = place.storages[table.storage]
        check_replaceable(storage, table, forced=job.forced)
        enforced = _compute(job, place.folder, given, timeout)
        check_undeclared_types(storage, table, enforced.table)
        if not job.publish:
            return Outcome(None, enforced.table, enforced.dropped)
        inputs = {name: _used(shared, job.expected_inputs.get(name)) for name, shared in given.items()}
        memory = sum(shared.nbytes for shared in given.values()) + enforced.table.nbytes
        recipe = _used_recipe(job, place)
        origin = Provenance(job.run_id, started_at, recipe, inputs, memory, job.project, job.forced, job.expected)
        manifest = storage.publish(table, enforced.table, origin)
        return Outcome(manifest, enforced.table if keep else None, enforced.dropped)
    except LakehouseError as error:
        # The traceback would keep the transform's frames, and so its data, in memory.
        raise error.with_traceback(None) from None


def _used(shared: SharedTable, expected: InputRecord | None) -> InputRecord:
    """Make the record of an input as it was read, which may differ from the expected one."""
    assert shared.content is not None  # noqa: S101  # it was read or stored in this run
    reading = "" if expected is None else expected.reading
    return shared.content._replace(rows=shared.num_rows, reading=reading)


def _used_recipe(job: Job, place: Workplace) -> Recipe | None:
    """Make the recipe that a table was computed by; it equals no other if code or files changed meanwhile.

    Modules are imported as they were planned. But code that is loaded in ways that cannot be followed may be newer.
    """
    recipe = job.recipe
    if recipe is None:
        return None
    if NOT_FOLLOWED in recipe.code_parts and was_edited(place.folder, place.code_ns):
        recipe = replace(recipe, code=f"{recipe.code} edited")
    return recipe if job.used is None else job.used.recorded(recipe, job.table, place.folder)


def _compute(job: Job, folder: Path, given: Mapping[str, SharedTable], timeout: float | None) -> Enforced:
    """Compute one table and enforce its contract.

    Raises:
        LakehouseError: The transform failed, or its result breaks the contract or cannot be put in order.
    """
    table = job.table
    uses_duckdb = job.recipe is not None and "package duckdb" in job.recipe.code_parts
    computation = runnable_computation(table, folder, uses_duckdb=uses_duckdb, workers=job.workers, now=job.run_started)

    def result_of() -> pa.Table:
        return computation.run([(each, given[each.table]) for each in job.inputs])

    if timeout is not None and table.function is not None:
        load_transform(table.function, folder)  # importing its module does not count as its time
    result = result_of() if timeout is None else _within(timeout, result_of, table)
    try:
        enforced = enforce(result, table.columns, key=table.key, extra_columns=table.extra_columns)
    except ContractError as error:
        error.location = error.location or table.where("columns")
        error.hint = error.hint or f"fix {_place(table, folder)}, or relax the contract"
        raise
    if (problem := order_problem(enforced.table.schema, table.order_by)) is not None:
        index, message, hint = problem
        raise TransformError(message, hint=hint, location=table.where(f"order_by.{index}"))
    if table.row_order:
        # By values of the declared types: those that a query returns may have another order.
        return replace(enforced, table=sort_rows(enforced.table, table.row_order))
    return enforced


def _place(table: Table, folder: Path) -> str:
    """Name the computation and where it is defined."""
    if table.function is None:
        place = table.query.place(1) if table.query is not None else None
        return f"{table.computed_by} ({place})" if place is not None else table.computed_by
    transform = load_transform(table.function, folder)
    code = getattr(inspect.unwrap(transform.fn), "__code__", None)
    if code is None:
        return f"`{transform.name}`"
    file = Path(code.co_filename)
    shown = file.relative_to(folder) if file.is_relative_to(folder) else file
    return f"`{transform.name}` ({shown}:{code.co_firstlineno})"


def _within(seconds: float, compute: Callable[[], pa.Table], table: Table) -> pa.Table:
    """Compute in a thread and wait for it no longer than so many seconds.

    Python cannot end a thread: one that is over its time goes on until it returns or the process ends, and its result
    is dropped. It has no way to publish anything.
    """
    done: list[pa.Table] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(compute())
        except BaseException as error:  # noqa: BLE001  # raised again in the waiting thread
            failed.append(error)

    thread = threading.Thread(target=work, name=f"transform {table.name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise over_time(table)
    if failed:
        raise failed[0]
    return done[0]
