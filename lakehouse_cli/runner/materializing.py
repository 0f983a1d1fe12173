"""The work on one table, from its inputs to its published data: the function that an executor runs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.memory import owned, release_unused
from lakehouse_cli.code.fingerprints.value import NOT_FOLLOWED
from lakehouse_cli.code.importing import was_edited
from lakehouse_cli.contracts import Enforced, Enforcement
from lakehouse_cli.errors import ContractError, LakehouseError
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.manifest import InputRecord, Manifest, Recipe
from lakehouse_cli.model.partition_keys import across_partitions
from lakehouse_cli.plan.computations import runnable_computation
from lakehouse_cli.runner.arguments import argument_of
from lakehouse_cli.runner.contract import enforced_result, explained, judged_anew, judged_pieces, kept_pieces
from lakehouse_cli.runner.external_sort import are_many
from lakehouse_cli.runner.handover import write_handover
from lakehouse_cli.runner.jobs import Job, Outcome, within
from lakehouse_cli.runner.object_inputs import object_inputs, raise_of_input
from lakehouse_cli.runner.row_order import by_key
from lakehouse_cli.runner.sensitive_inputs import hide_inputs
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.storage.base import AssetStorage, Provenance
from lakehouse_cli.storage.capabilities import check_replaceable, local_files, publish_pieces
from lakehouse_cli.text.clock import now_text
from lakehouse_cli.transforms import Argument, ObjectInput, SharedTable, StreamedTable, load_transform
from lakehouse_cli.transforms.call import Unordered

_Result = TypeVar("_Result")


def materialize(
    job: Job,
    place: Workplace,
    given: Mapping[str, SharedTable | StreamedTable],
    *,
    keep: bool = False,
    gather: bool = False,
    hand_to: str | None = None,
    timeout: float | None = None,
    on_computed: Callable[[], None] | None = None,
) -> Outcome:
    """Compute one table, enforce its contract and publish it, unless the job says not to.

    Args:
        job: The table.
        place: Storages and code of this process.
        given: The inputs' data, by table.
        keep: Whether the result is wanted in memory.
        gather: Whether it is also where it comes in pieces.
        hand_to: Where a result that is in memory as a whole is written for consumers in other processes; None for
            nowhere.
        timeout: Seconds after which the transform fails; None where the executor ends it.
        on_computed: Called once the result is there as a whole, and the inputs are not needed any more.

    Raises:
        LakehouseError: The transform failed, its result breaks the contract, or it could not be published.
    """
    if across_partitions(job.table):
        from lakehouse_cli.runner.checking import with_keys  # seldom needed

        job = with_keys(job, place)
    compute = partial(_materialize, place=place, given=given, keep=keep, gather=gather, hand_to=hand_to,
                      timeout=timeout, on_computed=on_computed)  # fmt: skip
    try:
        try:
            outcome = compute(job)
        except ContractError as error:
            if job.keys is None or error.violations or job.table.timeout is not None:
                raise
            outcome = compute(judged_anew(job, place, error))  # of pieces, which are gone
    finally:
        if job.keys is not None:
            job.keys.keep_read()
    return outcome if job.keys is None else replace(outcome, notes=(*outcome.notes, *job.keys.notes))


def _materialize(
    job: Job, place: Workplace, given: Mapping[str, SharedTable | StreamedTable], keep: bool, gather: bool,
    hand_to: str | None, timeout: float | None, on_computed: Callable[[], None] | None,
) -> Outcome:  # fmt: skip
    table, started_at = job.table, now_text()
    objects: dict[str, ObjectInput] = {}
    try:
        storage = place.storages[table.storage]
        for each in job.members:
            check_replaceable(place.storages[each.table.storage], each.table, forced=each.forced)
        if table.runs_in_storage:
            return _compute_in_database(job, place, given, started_at)
        objects = object_inputs(job, place, given)
        taken: dict[str, Argument] = {**given, **objects}
        with closed_at_the_end(_compute(job, place.folder, taken, timeout)) as computed:
            result = computed
            if table.partition is not None:
                from lakehouse_cli.runner.dimension_columns import DimensionColumns  # not loaded for whole tables

                result = DimensionColumns(table, job.periods).filled(result)
            if on_computed is not None and isinstance(result, pa.Table):
                on_computed()
            if isinstance(result, Unordered) and table.key and not table.order_by:
                result = by_key(result, table)
            is_wanted = keep or gather or hand_to is not None
            if isinstance(result, pa.Table) and table.row_order and not is_wanted and are_many(result):
                result = iter([result])  # else all of it would be there twice, sorted and not
            if table.quarantine is not None:
                return _publish_passing(job, place, taken, storage, result, started_at, keep=keep, hand_to=hand_to)
            if not isinstance(result, pa.Table) and job.publish and not gather:
                outcome = _publish_pieces(job, place, taken, storage, result, started_at)
                return replace(outcome, notes=tuple(note for each in objects.values() for note in each.notes))
            enforced = enforced_result(job, place, storage, result)
        notes = tuple(note for each in objects.values() for note in each.notes)
        if not job.publish:
            return Outcome(None, owned(enforced.table), enforced.dropped, notes=notes, checks=enforced.checks)
        try:
            return replace(publish(job, place, taken, enforced, started_at, keep=keep, hand_to=hand_to), notes=notes)
        except ContractError as error:
            judged = result if isinstance(result, pa.Table) else enforced.table
            enforced_result(judged_anew(job, place, error), place, storage, judged)
            raise
    except LakehouseError as error:
        raise_of_input({**given, **objects})
        hide_inputs(error, job.tables, given, place.storages)
        # The traceback would keep the transform's frames, and so its data, in memory.
        raise error.with_traceback(None) from None


def _compute_in_database(
    job: Job, place: Workplace, given: Mapping[str, SharedTable | StreamedTable], started_at: str
) -> Outcome:
    from lakehouse_cli.runner.in_database import compute_in_database  # not loaded for functions

    unstored = {name: shared.arrow() for name, shared in given.items() if isinstance(shared, SharedTable)}

    def compute(of: Job) -> Outcome:
        return compute_in_database(
            of, place, unstored, lambda used, checks: _provenance(of, place, used, started_at, 0, checks)
        )

    try:
        try:
            return compute(job)
        except ContractError as error:
            return compute(judged_anew(job, place, error))
    except ContractError as error:
        raise explained(error, job.table, place.folder, None) from None


def publish(
    job: Job,
    place: Workplace,
    given: Mapping[str, Argument],
    enforced: Enforced,
    started_at: str,
    *,
    keep: bool,
    hand_to: str | None,
    store: Callable[[pa.Table, Provenance], Manifest] | None = None,
) -> Outcome:
    """Store a result that keeps its contract, and hand it over; the arguments are those of `materialize`.

    With `store`, that stores it in the place of its storage.

    Raises:
        LakehouseError: It could not be stored.
    """
    table, storage = job.table, place.storages[job.table.storage]
    memory = sum(shared.nbytes for shared in given.values()) + enforced.table.get_total_buffer_size()
    store = store or partial(storage.publish, table)
    manifest = store(enforced.table, origin(job, place, given, started_at, memory, enforced.checks))
    # An Arrow file in a folder is read as fast as one that is written beside it.
    if table.format == "ipc" and any(local_files(storage, table)):
        hand_to = None
    handed_over = hand_to is not None and write_handover(enforced.table, hand_to)
    data = owned(enforced.table) if keep else None
    return Outcome(manifest, data, enforced.dropped, handed_over, checks=manifest.checks)


def closed_at_the_end(result: _Result) -> AbstractContextManager[_Result]:
    """Close pieces that were not all asked for: what an engine spilled for them goes."""
    return closing(result) if isinstance(result, (Generator, Unordered)) else nullcontext(result)


def _publish_pieces(
    job: Job,
    place: Workplace,
    given: Mapping[str, Argument],
    storage: AssetStorage,
    result: Iterator[pa.Table],
    started_at: str,
) -> Outcome:
    """Enforce the contract on a result piece by piece, and publish it; nothing is where a piece breaks it."""
    table = job.table
    with closing(Enforcement(table.columns, table.key, table.extra_columns, job.keys)) as enforcement:
        pieces = kept_pieces(job, place, storage, result, enforcement)
        judged = judged_pieces(job, place, pieces) if job.judges else None

        def provenance() -> Provenance:
            records = judged.records if judged is not None else ()
            return origin(job, place, given, started_at, enforcement.most_bytes, records)

        manifest = publish_pieces(storage, table, pieces if judged is None else iter(judged), provenance)
    # Of so many pieces allocators keep some in hand, and a later table may be at its peak.
    release_unused(manifest.bytes)
    return Outcome(manifest, None, enforcement.dropped, checks=manifest.checks)


def _publish_passing(
    job: Job,
    place: Workplace,
    given: Mapping[str, Argument],
    storage: AssetStorage,
    result: pa.Table | Iterator[pa.Table],
    started_at: str,
    *,
    keep: bool,
    hand_to: str | None,
) -> Outcome:
    """Publish the rows of a result that pass its checks, and the others beside them."""
    from lakehouse_cli.runner.quarantine import publish_passing  # seldom needed

    def provenance(of: Job, memory: int, checks: tuple[CheckRecord, ...]) -> Provenance:
        return origin(of, place, given, started_at, memory, checks)

    def whole(enforced: Enforced, store: Callable[[pa.Table, Provenance], Manifest]) -> Outcome:
        return publish(job, place, given, enforced, started_at, keep=keep, hand_to=hand_to, store=store)

    return publish_passing(job, place, storage, result, provenance, whole)


def origin(
    job: Job,
    place: Workplace,
    given: Mapping[str, Argument],
    started_at: str,
    memory: int,
    checks: tuple[CheckRecord, ...] = (),
) -> Provenance:
    """What the manifest of a table says of where it comes from."""
    inputs = {name: _used(shared, job.expected_inputs.get(name)) for name, shared in given.items()}
    return _provenance(job, place, inputs, started_at, memory, checks)


def _provenance(
    job: Job,
    place: Workplace,
    inputs: Mapping[str, InputRecord],
    started_at: str,
    memory: int,
    checks: tuple[CheckRecord, ...] = (),
) -> Provenance:
    recipe = _used_recipe(job, place)
    # Where a check stands is said by the project file of the day.
    kept = tuple([replace(each, result=replace(each.result, location=None)) for each in checks]) if checks else ()
    if job.recorded:
        inputs = {job.recorded.get(name, name): record for name, record in inputs.items()}
    return Provenance(
        job.run_id,
        started_at,
        recipe,
        inputs,
        memory,
        job.project,
        job.forced,
        job.expected,
        checks=kept,
        keys=None if job.keys is None else job.keys.own(),
    )


def _used(shared: Argument, expected: InputRecord | None) -> InputRecord:
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


def _compute(
    job: Job, folder: Path, given: Mapping[str, Argument], timeout: float | None
) -> pa.Table | Iterator[pa.Table]:
    """Compute one table; its pieces where the transform gives them, all of them where there is a timeout.

    Raises:
        LakehouseError: The transform failed, or an input.
    """
    table = job.table
    uses_duckdb = job.reaches("duckdb")
    computation = runnable_computation(table, folder, uses_duckdb=uses_duckdb, workers=job.workers, now=job.run_started)

    # What is read for them does not count as its time.
    arguments = [(each, argument_of(job, given, each)) for each in job.inputs]

    def result_of() -> pa.Table | Iterator[pa.Table]:
        return computation.run(arguments)

    def whole() -> pa.Table | Iterator[pa.Table]:
        result = result_of()
        if isinstance(result, pa.Table):
            return result
        pieces = iter(list(result))
        return Unordered(pieces) if isinstance(result, Unordered) else pieces

    if timeout is not None and table.function is not None:
        # Importing its module does not count as its time.
        load_transform(table.function, folder, of_table=table.returns_table)
    return result_of() if timeout is None else within(timeout, whole, table)
