"""The work on the tables that one call computes: each result is enforced, and stored with the others or by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from msgspec.structs import replace

from lakehouse_cli.arrow.memory import owned
from lakehouse_cli.contracts import Enforced
from lakehouse_cli.errors import ContractError, LakehouseError
from lakehouse_cli.model.partition_keys import across_partitions
from lakehouse_cli.runner.arguments import argument_of
from lakehouse_cli.runner.contract import enforced_result, judged_anew
from lakehouse_cli.runner.jobs import Job, Outcome, ResultError, within
from lakehouse_cli.runner.materializing import publish
from lakehouse_cli.runner.object_inputs import object_inputs, raise_of_input
from lakehouse_cli.runner.row_order import by_key
from lakehouse_cli.runner.sensitive_inputs import hide_inputs
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.storage.capabilities import check_replaceable
from lakehouse_cli.text.clock import now_text
from lakehouse_cli.transforms import Argument, ObjectInput, SharedTable, StreamedTable, load_transform
from lakehouse_cli.transforms.call import Unordered
from lakehouse_cli.transforms.several_results import Taken, call_for_results


def materialize_results(
    job: Job,
    place: Workplace,
    given: Mapping[str, SharedTable | StreamedTable],
    *,
    keep: Collection[str] = (),
    hand_to: Mapping[str, str] | None = None,
    timeout: float | None = None,
    on_computed: Callable[[], None] | None = None,
) -> Outcome:
    """Compute the tables of a job and its siblings, enforce the contract of each, and publish them.

    Args:
        job: The first of the tables.
        place: Storages and code of this process.
        given: The inputs' data, by table.
        keep: The tables that are wanted in memory.
        hand_to: Where those are written that consumers in other processes take.
        timeout: Seconds after which the function fails; None where the executor ends it.
        on_computed: Called once the results are there, and the inputs are not needed any more.

    Raises:
        LakehouseError: The function failed, or did not return what the tables name.
        ResultError: A result breaks its contract, or could not be stored, and they are published together.
    """
    started_at = now_text()
    objects: dict[str, ObjectInput] = {}
    try:
        for each in job.members:
            check_replaceable(place.storages[each.table.storage], each.table, forced=each.forced)
        job, *others = (_with_keys(each, place) for each in job.members)
        job = replace(job, siblings=tuple(others))
        objects = object_inputs(job, place, given)
        taken: dict[str, Argument] = {**given, **objects}
        computed = _compute(job, place, taken, timeout)
        if on_computed is not None:
            on_computed()
        done = _Publishing(job, place, taken, started_at, keep, hand_to or {}).of(computed)
        notes = tuple(note for each in objects.values() for note in each.notes)
        of_keys = {each.table.name: each.keys.notes for each in job.members if each.keys is not None}
        results = {n: _with_notes(each, (*notes, *of_keys.get(n, ()))) for n, each in done.items()}
        return Outcome(None, None, (), results=results)
    except LakehouseError as error:
        raise_of_input({**given, **objects})
        hide_inputs(error, job.tables, given)
        raise error.with_traceback(None) from None
    finally:
        for each in job.members:
            if each.keys is not None:
                each.keys.keep_read()


def _with_keys(job: Job, place: Workplace) -> Job:
    if not across_partitions(job.table):
        return job
    from lakehouse_cli.runner.checking import with_keys  # seldom needed

    return with_keys(job, place)


def _with_notes(ended: Outcome | LakehouseError, notes: tuple[str, ...]) -> Outcome | LakehouseError:
    return replace(ended, notes=notes) if isinstance(ended, Outcome) else ended


def _compute(job: Job, place: Workplace, given: Mapping[str, Argument], timeout: float | None) -> dict[str, Taken]:
    tables = [each.table for each in job.members]
    inputs = [(each, argument_of(job, given, each)) for each in job.inputs]
    function = job.table.transform
    call = partial(
        call_for_results,
        function,
        place.folder,
        tables,
        inputs,
        uses_duckdb=job.reaches("duckdb"),
        workers=job.workers,
    )
    if timeout is None:
        return call()
    load_transform(function, place.folder, of_table=False)  # importing its module does not count as its time
    return within(timeout, call, job.table)


class _Publishing:
    def __init__(
        self,
        job: Job,
        place: Workplace,
        given: Mapping[str, Argument],
        started_at: str,
        keep: Collection[str],
        hand_to: Mapping[str, str],
    ) -> None:
        self._job = job
        self._place = place
        self._given = given
        self._started_at = started_at
        self._keep = keep
        self._hand_to = hand_to
        self._each = all(member.table.publish == "each" for member in job.members)

    def of(self, results: dict[str, Taken]) -> dict[str, Outcome | LakehouseError]:
        """Enforce all contracts before anything is stored.

        Raises:
            ResultError: One is broken, or cannot be stored, and it counts for all, or another attempt follows.
        """
        kept: dict[str, Enforced] = {}
        errors: dict[str, LakehouseError] = {}
        for member in self._job.members:
            try:
                kept[member.table.name] = self._enforced(member, results.pop(member.table.name))
            except LakehouseError as error:
                given = {n: each for n, each in self._given.items() if not isinstance(each, ObjectInput)}
                hide_inputs(error, self._job.tables, given)
                errors[member.table.name] = error.with_traceback(None)
        if errors and not (self._each and self._job.is_last):
            raise ResultError(errors, {})
        done: dict[str, Outcome | LakehouseError] = {**errors}
        stored: dict[str, Outcome] = {}
        for member in self._job.members:
            name = member.table.name
            if name not in kept:
                continue
            try:
                done[name] = stored[name] = self._published(member, kept.pop(name))
            except LakehouseError as error:
                if not self._each:
                    raise ResultError({name: error.with_traceback(None)}, stored) from None
                done[name] = error.with_traceback(None)
        return done

    def _enforced(self, member: Job, result: Taken) -> Enforced:
        table = member.table
        if isinstance(result, LakehouseError):
            raise result
        if member.periods:
            from lakehouse_cli.runner.dimension_columns import DimensionColumns  # not loaded for whole tables

            result = DimensionColumns(table, member.periods).filled(result)
        if isinstance(result, Unordered) and table.key and not table.order_by:
            result = by_key(result, table)
        return enforced_result(member, self._place, self._place.storages[table.storage], result)

    def _published(self, member: Job, enforced: Enforced) -> Outcome:
        name = member.table.name
        if not member.publish:
            return Outcome(None, owned(enforced.table), enforced.dropped, checks=enforced.checks)
        try:
            return publish(
                member,
                self._place,
                self._given,
                enforced,
                self._started_at,
                keep=name in self._keep,
                hand_to=self._hand_to.get(name),
            )
        except ContractError as error:
            self._enforced(judged_anew(member, self._place, error), enforced.table)
            raise
