"""Queries of the history: lists of runs, one run, one table over time, expected durations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar, get_args

from msgspec import UNSET, Struct
from msgspec.structs import replace

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model.given_params import GivenParams
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import Cancellation, TableResult
from lakehouse_cli.runs.history.files import UnreadableRunError, head, run_files
from lakehouse_cli.runs.history.records import (
    RecordStatus,
    RunList,
    RunRecord,
    RunSummary,
    TableHistory,
    TableTime,
    median,
)
from lakehouse_cli.runs.history.replay import RunReplay, replay
from lakehouse_cli.runs.kept_partitions import ENDED_WELL
from lakehouse_cli.runs.local_state import is_held
from lakehouse_cli.text.close_names import did_you_mean

_Read = TypeVar("_Read")
# Of partitions of a table; None for all.
_Values = frozenset[tuple[str, ...]] | None
# A duration is expected from so many of its last times, in no more than so many runs.
_TIMES, _RUNS = 5, 10
_CANCELLATIONS: tuple[Cancellation, ...] = get_args(Cancellation)


def runs(folder: Path, *, environment: str | None = None, limit: int | None = None) -> RunList:
    """List the runs of a project, newest first; name files that cannot be read in the notes."""
    found: list[RunSummary] = []
    notes: list[str] = []
    for run in _each(_record, folder, environment, notes):
        found.append(run.summary)
        if limit is not None and len(found) >= limit:
            break
    return RunList(tuple(found), tuple(notes))


def environments(folder: Path) -> tuple[str, ...]:
    """List the environments of the runs in the history, whether these can be read to the end or not."""
    found: dict[str, None] = {}
    for path in run_files(folder):
        with _explained(path, []):
            found[head(path).environment] = None
    return tuple(found)


def read(folder: Path, run_id: str = "last", *, environment: str | None = None) -> RunRecord:
    """Read one run.

    Args:
        folder: The project's.
        run_id: Its id, the beginning or the last part of it where no other run has the same, or ``last``.
        environment: Where `last` looks.

    Raises:
        UsageError: There is no such run, or there are several.
        LakehouseError: Its file cannot be read, or a newer version of the tool wrote it.
    """
    if run_id == "last":
        notes: list[str] = []
        last = next(_each(_record, folder, environment, notes), None)
        if last is not None:
            return replace(last, notes=(*notes, *last.notes))
        of = f" of environment `{environment}`" if environment is not None else ""
        if notes:
            raise UsageError(f"there is no run{of} in the history that can be read", hint=notes[0])
        raise UsageError(f"there is no run{of} in the history yet", hint="`lakehouse run` makes one")
    files = {path.stem: path for path in run_files(folder)}
    if run_id in files:
        return _record(files[run_id])
    matches = [name for name in files if run_id and (name.startswith(run_id) or name.endswith(f"-{run_id}"))]
    if len(matches) > 1:
        shown = ", ".join(f"`{name}`" for name in matches[:3]) + (" and more" if len(matches) > 3 else "")
        raise UsageError(f"`{run_id}` could be {shown}", hint="give more of the id")
    if not matches:
        hint = did_you_mean(run_id, files) or "`lakehouse runs` lists them"
        raise UsageError(f"there is no run `{run_id}` in the history", hint=hint)
    return _record(files[matches[0]])


class Unfinished(Struct, frozen=True):
    """The run that did not finish a table.

    Attributes:
        run_id: Its id.
        given: What the table's params were given in it.
        partitions: The values of its partitions that did not end well; None for all, or where it has none.
        as_of: The moment that stood for now; None where that was now itself.
    """

    run_id: str
    given: GivenParams
    partitions: frozenset[tuple[str, ...]] | None = None
    as_of: str | None = None


def unfinished(folder: Path, environment: str, tables: Iterable[str]) -> dict[str, Unfinished]:
    """Find the tables that failed, were skipped or were cancelled in the last run that included them.

    A run that goes on does not count. What a run left of earlier ones is unfinished still; where several runs did not
    finish partitions of a table, the last of them is named.

    Args:
        folder: The project's.
        environment: Whose runs.
        tables: Names of the computed tables in question.
    """
    unknown, found, left = set(tables), dict[str, Unfinished](), dict[str, Unfinished]()
    for path in run_files(folder):
        if not unknown:
            break
        with _explained(path, []):
            run = head(path)
            asked = unknown.intersection(run.tables)
            if not asked or run.environment != environment or is_held(path):
                continue
            past = replay(path)
            # A run that died has no results of the tables after that; one that ended has results of all.
            if past.finish is not None and asked - past.results.keys():
                raise UnreadableRunError(path.stem, "lines are missing")
            ended = {name for name, end in past.results.items() if end.status in ENDED_WELL}
            params = run.params or {}
            for name in sorted(asked):
                this = Unfinished(path.stem, params.get(name, GivenParams()), None, run.as_of or None)
                later = left.pop(name, this).partitions
                if name not in ended:
                    _add(found, name, replace(this, partitions=_both(_left(past.results.get(name)), later)))
                if name in (run.left or {}):
                    values = (run.left or {})[name]
                    of_before = None if values is None else frozenset(values)
                    left[name] = replace(this, partitions=_both(of_before, later))
            unknown -= asked - left.keys()
    for name, run_before in left.items():  # of runs that are not kept any more
        _add(found, name, run_before)
    return found


def _add(found: dict[str, Unfinished], name: str, more: Unfinished) -> None:
    """Add what an earlier run did not finish of a table to what later ones did not."""
    before = found.get(name)
    if before is None and (more.partitions is None or more.partitions):
        found[name] = more
    elif before is not None:
        values, others = before.partitions, more.partitions
        found[name] = replace(before, partitions=None if values is None or others is None else values | others)


def _both(values: _Values, others: _Values) -> _Values:
    """The values that are in both sets, of which None has all."""
    return others if values is None else values if others is None else values & others


def _left(result: TableResult | None) -> frozenset[tuple[str, ...]] | None:
    """The values of a table's partitions that did not end well; None where that is not known by partition."""
    if result is None or not result.partitions:
        return None
    return frozenset(tuple(each.key.values()) for each in result.partitions if each.status not in ENDED_WELL)


def table_history(
    folder: Path, table: str, *, environment: str | None = None, limit: int | None = None
) -> TableHistory:
    """List the results of one table, newest first; name files that cannot be read in the notes."""
    times: list[TableTime] = []
    notes: list[str] = []
    for run_id, past in _each(lambda path: (path.stem, replay(path)), folder, environment, notes):
        if table in past.results:
            times.append(TableTime(run_id, past.run.environment, past.run.at, past.results[table]))
        if limit is not None and len(times) >= limit:
            break
    return TableHistory(table, tuple(times), tuple(notes))


def durations(folder: Path, *, environment: str | None = None) -> Mapping[str, float]:
    """Look up the seconds that each table takes: the median of the last few times it was materialized."""
    found: dict[str, list[float]] = defaultdict(list)
    for past in islice(_each(replay, folder, environment, []), _RUNS):
        for name, result in past.results.items():
            if result.status == "materialized" and result.duration_s is not None and len(found[name]) < _TIMES:
                found[name].append(result.duration_s)
    return {name: median(values) for name, values in found.items() if values}


def partition_durations(folder: Path, *, environment: str | None = None) -> Mapping[str, float]:
    """Look up the seconds that one partition of each table takes: the median of those that the last runs made."""
    found: dict[str, list[float]] = {}
    for past in islice(_each(replay, folder, environment, []), _RUNS):
        for name, result in past.results.items():
            ended = {} if result.partitions_ended is UNSET else result.partitions_ended
            parts = result.partitions or ()
            if not (parts or ended) or len(found.get(name, ())) >= _TIMES:
                continue
            made = [each.duration_s for each in parts if each.status == "materialized"]
            made += [each.median_s for status, each in ended.items() if status == "materialized"]
            found.setdefault(name, []).extend(each for each in made if each is not None)
    return {name: median(values) for name, values in found.items() if values}


def _each(read: Callable[[Path], _Read], folder: Path, environment: str | None, notes: list[str]) -> Iterator[_Read]:
    """Read the runs of an environment, newest first; add a note for each that cannot be read."""
    for path in run_files(folder):
        found: list[_Read] = []
        with _explained(path, notes):
            if environment in (None, head(path).environment):
                found.append(read(path))
        yield from found


@contextmanager
def _explained(path: Path, notes: list[str]) -> Iterator[None]:
    """Go on without a file that cannot be read, and add a note; ignore one that is only being begun."""
    try:
        yield
    except UnreadableRunError as error:
        if not (is_held(path) and path.stat().st_size == 0):
            notes.append(error.message)


def _record(path: Path) -> RunRecord:
    # First: a run that ends after this has written so by the time the file is read.
    goes_on = is_held(path)
    past = replay(path)
    run, finish, results = past.run, past.finish, tuple(past.results.values())
    status: RecordStatus
    if finish is not None:
        status = finish.status
        order = {name: place for place, name in enumerate(finish.tables)}
        results = tuple(sorted(results, key=lambda result: order.get(result.name, len(order))))
    elif goes_on:
        status = "running"
    else:
        status, results = "died", (*results, *_left_by_death(past))
    summary = RunSummary(
        path.stem,  # by which it is found; the lines of a copy have the id of the original
        run.project,
        run.environment,
        status,
        finish.started_at if finish is not None else run.at,
        finish.finished_at if finish is not None else None,
        finish.duration_s if finish is not None else None,
        len(run.tables),
        finish.counts if finish is not None else Counter(str(result.status) for result in results),
        next((how for how in _CANCELLATIONS if finish is not None and how == finish.cancelled_by), None),
    )
    started = tuple(past.started) if status == "running" else ()
    shown = run.objects or (), run.params or {}, run.first_run is True
    return RunRecord(summary, run.tables, results, started, run.notes, *shown)


def _left_by_death(past: RunReplay) -> Iterator[TableResult]:
    for name in past.run.tables:
        if name not in past.results:
            when = "while this table was under way" if name in past.started else "before it came to this table"
            error = ErrorInfo("Died", f"the run died {when}")
            yield TableResult(name, "cancelled", attempts=past.started.get(name, 0), error=error)
