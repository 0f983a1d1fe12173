"""Reading the history: lists of runs, one run, one table over time, and what to expect of tables."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, get_args

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.errors import UsageError, did_you_mean
from lakehouse_cli.event_json import from_document
from lakehouse_cli.events import Cancellation, ErrorInfo, RunStatus, TableResult, TableStatus
from lakehouse_cli.history.files import UnreadableRunError, documents, head, last_document, lines_of, run_files
from lakehouse_cli.history.records import RecordStatus, RunList, RunRecord, RunSummary, TableHistory, TableTime
from lakehouse_cli.local_state import is_held

# What is expected of a table rests on so many of its last times, from no more than so many runs.
_TIMES, _RUNS = 5, 10


def runs(folder: Path, *, environment: str | None = None, limit: int | None = None) -> RunList:
    """The runs of a project, newest first; what cannot be read is told in the notes and left out.

    Args:
        folder: The project's.
        environment: Only runs of this one.
        limit: At most so many.
    """
    found: list[RunSummary] = []
    notes: list[str] = []
    for path in run_files(folder):
        if limit is not None and len(found) >= limit:
            break
        with _explained(path, notes):
            run = _summary(path)
            if environment in (None, run.environment):
                found.append(run)
    return RunList(tuple(found), tuple(notes))


def read(folder: Path, run_id: str = "last", *, environment: str | None = None) -> RunRecord:
    """One run.

    Args:
        folder: The project's.
        run_id: Its id, the beginning or the last part of it where no other run has the same, or ``last``.
        environment: Where `last` looks.

    Raises:
        UsageError: There is no such run, or there are several.
        LakehouseError: Its file cannot be read, or a newer version of the tool wrote it.
    """
    if run_id == "last":
        last = next(_records(folder, environment), None)
        if last is None:
            raise UsageError("there is no run in the history yet", hint="`lakehouse run` makes one")
        return last
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


def unfinished(folder: Path, environment: str, tables: Iterable[str]) -> set[str]:
    """The tables that failed, were skipped or cancelled in the last of the runs that went for them.

    Runs that did not go for a table tell nothing of it; one that goes on is passed over.

    Args:
        folder: The project's.
        environment: Whose runs.
        tables: Names of the computed tables in question.
    """
    unknown, found = set(tables), set[str]()
    for path in run_files(folder):
        if not unknown:
            break
        with _explained(path, []):
            run = head(path)
            asked = unknown.intersection(run["tables"])
            if not asked or run["environment"] != environment or is_held(path):
                continue
            statuses = _statuses(path)
            # Of what a run that died did not come to, it told nothing; one that ended has told of all.
            if asked - statuses.keys() and (last_document(path) or {}).get("event") == "run_finished":
                raise ValueError("lines are missing")
            found |= {name for name in asked if statuses.get(name) not in ("materialized", "unchanged")}
            unknown -= asked
    return found


def _statuses(path: Path) -> dict[str, str]:
    """How each table of a run ended, by name; the lines are not taken apart further."""
    statuses = {}
    for line in lines_of(path, "table_finished"):
        name, status = (line.partition(b'"%s":"' % key)[2].partition(b'"')[0].decode() for key in (b"table", b"status"))
        if status not in get_args(TableStatus):
            raise ValueError(f"no table ends as {status!r}")
        statuses[name] = status
    return statuses


def table_history(
    folder: Path, table: str, *, environment: str | None = None, limit: int | None = None
) -> TableHistory:
    """What the runs, newest first, told of one table; what cannot be read is told in the notes and left out."""
    times: list[TableTime] = []
    notes: list[str] = []
    mention = _mention(table)
    for path in run_files(folder):
        if limit is not None and len(times) >= limit:
            break
        with _explained(path, notes):
            run = head(path)
            if environment not in (None, run["environment"]):
                continue
            for line in lines_of(path, "table_finished"):
                if mention in line:
                    result = from_document(TableResult, json.loads(line).get("result"))
                    times.append(TableTime(path.stem, run["environment"], run["at"], result))
    return TableHistory(table, tuple(times), tuple(notes))


def durations(folder: Path, *, environment: str | None = None) -> Mapping[str, float]:
    """Seconds that each table takes: the median of the last few times it was materialized."""
    return {name: median(values) for name, values in _last(folder, "duration_s", environment).items()}


def memory(folder: Path, *, environment: str | None = None) -> Mapping[str, int]:
    """Bytes of memory that each table takes: the most of the last few times, where the events tell ``memory_bytes``."""
    return {name: int(max(values)) for name, values in _last(folder, "memory_bytes", environment).items()}


def _last(folder: Path, field_name: str, environment: str | None) -> dict[str, list[float]]:
    """The last few values of a field of each table's result, of runs that materialized it.

    What a scheduler wants to know before it begins: lines are only taken apart where they count.
    """
    found: dict[str, list[float]] = defaultdict(list)
    wanted = f'"{field_name}":'.encode()
    for path in run_files(folder)[:_RUNS]:
        with _explained(path, []):
            if environment not in (None, head(path)["environment"]):
                continue
            for line in lines_of(path, "table_finished"):
                name = line.partition(b'"table":"')[2].partition(b'"')[0].decode()
                if b'"status":"materialized"' in line and wanted in line and len(found.get(name, ())) < _TIMES:
                    value = json.loads(line)["result"].get(field_name)
                    if isinstance(value, int | float):
                        found[name].append(value)
    return found


def _mention(table: str) -> bytes:
    return f'"table":{json.dumps(table)},'.encode()


@contextmanager
def _explained(path: Path, notes: list[str]) -> Iterator[None]:
    """Go on without a file that cannot be read, and say so; one that is only being begun is passed over."""
    try:
        yield
    except (UnreadableRunError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        if not (path.exists() and path.stat().st_size == 0):
            notes.append(_unreadable(path, error).message)


def _unreadable(path: Path, error: Exception) -> UnreadableRunError:
    if isinstance(error, UnreadableRunError):
        return error
    return UnreadableRunError(path.stem, f"its lines are not what a run writes ({error})")


def _records(folder: Path, environment: str | None) -> Iterator[RunRecord]:
    """The runs that can be read, newest first, each with notes on those passed over before it."""
    notes: list[str] = []
    for path in run_files(folder):
        record = None
        with _explained(path, notes):
            if environment in (None, head(path)["environment"]):
                record = _record(path)
        if record is not None:
            yield replace(record, notes=(*notes, *record.notes))


def _summary(path: Path) -> RunSummary:
    run = head(path)
    last = last_document(path)
    if last is None or last.get("event") != "run_finished":
        return _record(path).summary
    result = last["result"]
    return RunSummary(
        run["run_id"],
        run["project"],
        run["environment"],
        _status(result["status"]),
        str(result["started_at"]),
        str(result["finished_at"]),
        float(result["duration_s"]),
        {str(status): int(count) for status, count in result["counts"].items()},
        len(run["tables"]),
        _cancellation(result),
    )


def _status(text: Any) -> RunStatus:
    if text not in ("success", "failed", "cancelled"):
        raise ValueError(f"no run ends as {text!r}")
    status: RunStatus = text
    return status


def _cancellation(finish: Mapping[str, Any] | None) -> Cancellation | None:
    how = finish.get("cancelled_by") if finish is not None else None
    return how if how in get_args(Cancellation) else None


class _Told(Struct):
    """What the lines of a file have told so far; of what was started and has not ended, how often it was tried."""

    results: dict[str, TableResult] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    finish: dict[str, Any] | None = None

    def take(self, document: dict[str, Any]) -> None:
        match document.get("event"):
            case "table_started" | "table_retrying":
                self.started[str(document["table"])] = int(document["attempt"])
            case "table_finished":
                result = from_document(TableResult, document["result"])
                self.results[result.name] = result
                self.started.pop(result.name, None)
            case "run_finished":
                self.finish = document["result"]


def _record(path: Path) -> RunRecord:
    try:
        return _told(path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error


def _told(path: Path) -> RunRecord:
    # Looked at first: a run that ends after this has told so by the time the file is read.
    goes_on = is_held(path)
    lines = documents(path)
    run = next(lines)
    told = _Told()
    for document in lines:
        told.take(document)
    planned = tuple(run["tables"])
    notes = tuple(str(note) for note in run.get("notes", ()))
    started_at, finished_at, seconds = run["at"], None, None
    if told.finish is not None:
        status: RecordStatus = _status(told.finish["status"])
        started_at, finished_at = str(told.finish["started_at"]), str(told.finish["finished_at"])
        seconds = float(told.finish["duration_s"])
        order = {name: place for place, name in enumerate(told.finish["tables"])}
        results = tuple(sorted(told.results.values(), key=lambda result: order.get(result.name, len(order))))
    elif goes_on:
        status, results = "running", tuple(told.results.values())
    else:
        status, results = "died", (*told.results.values(), *_left_by_death(planned, told))
    counts = Counter(str(result.status) for result in results)
    summary = RunSummary(
        run["run_id"],
        run["project"],
        run["environment"],
        status,
        started_at,
        finished_at,
        seconds,
        counts,
        len(planned),
        _cancellation(told.finish),
    )
    return RunRecord(summary, planned, results, tuple(told.started) if status == "running" else (), notes)


def _left_by_death(planned: tuple[str, ...], told: _Told) -> Iterator[TableResult]:
    for name in planned:
        if name not in told.results:
            when = "while this table was under way" if name in told.started else "before it came to this table"
            error = ErrorInfo("Died", f"the run died {when}")
            yield TableResult(name, "cancelled", attempts=told.started.get(name, 0), error=error)
