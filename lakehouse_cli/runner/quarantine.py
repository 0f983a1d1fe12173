"""The publication of a result of which the rows that break checks are put aside, in a table beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.memory import owned
from lakehouse_cli.arrow.types import to_arrow, without_rows
from lakehouse_cli.checks.judge import Judge, Rejection
from lakehouse_cli.contracts import Enforced, Enforcement
from lakehouse_cli.contracts.findings import ReadAgain
from lakehouse_cli.contracts.joined_rows import keep_published, moved_rows
from lakehouse_cli.errors import ContractError, Example, FailedRow, LakehouseError, TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import SHARED, CheckRecord, Limit
from lakehouse_cli.model.column_type import parse_column_type
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.partition_keys import KEY
from lakehouse_cli.model.quarantine import REASON_COLUMNS, judges_for_quarantine
from lakehouse_cli.runner.checking import open_judge
from lakehouse_cli.runner.contract import enforced_result, explained, judged_anew, kept_pieces
from lakehouse_cli.runner.jobs import Job, Outcome, ResultError
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.runs.spilled_pieces import SpilledPieces
from lakehouse_cli.storage.base import AssetStorage, Provenance
from lakehouse_cli.storage.capabilities import PublishesTogether, RehearsesWriting, TableToPublish, publish_pieces
from lakehouse_cli.text.counts import count_text, plural

_Numbered = TypeVar("_Numbered", Example, FailedRow)
# Bytes of a result that comes in pieces which wait in memory.
_IN_MEMORY = 1 << 26

#: Stores a table that is in memory as a whole, that of the job, once its checks are judged; given what stores its data.
PublishWhole = Callable[[Enforced, Callable[[pa.Table, Provenance], Manifest]], Outcome]
#: What the manifest of a table says of where it comes from: its job, the memory that it took, its checks.
MakeProvenance = Callable[[Job, int, tuple[CheckRecord, ...]], Provenance]


class HeldPieces:
    """The pieces of a result until all of it is judged, in memory or in a temporary file; to be closed."""

    def __init__(self) -> None:
        self._pieces: list[pa.Table] = []
        self._bytes = 0
        self._spilled: SpilledPieces | None = None
        self.schema: pa.Schema | None = None

    def add(self, piece: pa.Table, *, whole: bool) -> None:
        """Keep a piece; one that is the whole result is in memory already."""
        self.schema = self.schema or piece.schema
        self._pieces.append(piece)
        self._bytes += piece.nbytes
        if self._bytes > _IN_MEMORY and not whole:
            self._spill()

    def _spill(self) -> None:
        assert self.schema is not None  # noqa: S101  # of the first piece
        if self._spilled is None:
            self._spilled = SpilledPieces(self.schema, "the rows to check")
        for each in self._pieces:
            self._spilled.add(each)
        self._pieces, self._bytes = [], 0

    def read(self) -> Iterator[pa.Table]:
        """All pieces, any number of times; nothing can be added any more."""
        if self._spilled is not None:
            if self._pieces:
                self._spill()
            yield from self._spilled.read()
            return
        yield from self._pieces

    def close(self) -> None:
        """Let go of everything."""
        self._pieces = []
        if self._spilled is not None:
            self._spilled.close()


class Split(Struct):
    """A result with the rows that are put aside.

    Attributes:
        held: All rows.
        rows: The 0-based numbers of those that are put aside, ascending.
        broken: By check, the numbers of those that violate it.
        run_id: The run.
    """

    held: HeldPieces
    rows: Any
    broken: Mapping[str, Any]
    run_id: str

    def passing(self) -> Iterator[pa.Table]:
        """The rows that pass; at least one piece."""
        yield without_rows(self._schema)
        for start, piece in self._numbered():
            first, last = np.searchsorted(self.rows, (start, start + piece.num_rows))
            if first == last:
                yield piece
                continue
            keep = np.ones(piece.num_rows, np.uint8)
            keep[self.rows[first:last] - start] = 0
            yield piece.filter(av.from_numpy(keep, pa.uint8()).cast(pa.bool_()))

    def aside(self) -> Iterator[pa.Table]:
        """The other rows, with the checks that they break; at least one piece."""
        yield self._with_reasons(without_rows(self._schema), self.rows[:0])
        for start, piece in self._numbered():
            first, last = np.searchsorted(self.rows, (start, start + piece.num_rows))
            if first < last:
                rows = self.rows[first:last]
                yield self._with_reasons(piece.take(av.from_numpy(rows - start, pa.int64())), rows)

    @property
    def _schema(self) -> pa.Schema:
        assert self.held.schema is not None  # noqa: S101  # there is at least one piece
        return self.held.schema

    def _numbered(self) -> Iterator[tuple[int, pa.Table]]:
        start = 0
        for piece in self.held.read():
            yield start, piece
            start += piece.num_rows

    def _with_reasons(self, data: pa.Table, rows: Any) -> pa.Table:
        """Rows with the columns that say why they are put aside; `rows` are their numbers, ascending."""
        ways, masks = np.zeros(len(rows), np.int64), []
        for numbers in self.broken.values():
            first, last = np.searchsorted(numbers, (rows[0], rows[-1] + 1)) if len(rows) else (0, 0)
            masks.append(np.isin(rows, numbers[first:last], assume_unique=True))
            ways = np.unique(ways * 2 + masks[-1], return_inverse=True)[1]
        at = np.unique(ways, return_index=True)[1]  # a row of each way to be wrong
        texts = [", ".join(n for n, mask in zip(self.broken, masks, strict=True) if mask[row]) for row in at]
        checks, run, number = (to_arrow(parse_column_type(kind)) for kind in REASON_COLUMNS.values())
        values = (
            av.array(texts, checks).take(av.from_numpy(ways, pa.int64())),
            av.array([self.run_id], run).take(av.from_numpy(np.zeros(len(rows), np.int64), pa.int64())),
            av.from_numpy(rows + 1, number),
        )
        for name, column in zip(REASON_COLUMNS, values, strict=True):
            data = data.append_column(name, pa.chunked_array([column]))
        return data


def publish_passing(
    job: Job,
    place: Workplace,
    storage: AssetStorage,
    result: pa.Table | Iterator[pa.Table],
    provenance: MakeProvenance,
    publish_whole: PublishWhole,
) -> Outcome:
    """Enforce the contract of a result, put the rows aside that break checks, and store both.

    The checks that say of no single row whether it is good, and those that only warn, are judged on the rows that pass.

    Args:
        job: Of the table; that of its quarantine is among the siblings.
        place: Storages and code of this process.
        storage: Of both.
        result: What the transform returned.
        provenance: For manifests.
        publish_whole: Stores the table where it is in memory.

    Raises:
        LakehouseError: The result breaks the contract in another way, or too many rows do; nothing was stored.
        ResultError: The table could not be stored; or it was, and the rows put aside could not be.
    """
    table, whole = job.table, isinstance(result, pa.Table)
    with ExitStack() as stack:
        enforcement = stack.enter_context(closing(Enforcement(table.columns, table.key, table.extra_columns)))
        dropped: tuple[str, ...] = ()
        if isinstance(result, pa.Table):
            enforced = enforced_result(replace(job, checks=None, keys=None), place, storage, result)
            dropped, pieces = enforced.dropped, iter([enforced.table])
        else:
            pieces = kept_pieces(job, place, storage, result, enforcement)
        split, records = _split(job, place, pieces, stack.enter_context(closing(HeldPieces())), whole=whole)
        dropped = dropped or enforcement.dropped
        aside = next(each for each in job.siblings if each.table.quarantine_of == table.name)
        name, beside = table.name, aside.table.name
        if not job.publish:
            passing, others = (owned(pa.concat_tables(each)) for each in (split.passing(), split.aside()))
            kept = Outcome(None, passing, dropped, checks=records)
            return Outcome(None, None, (), results={name: kept, beside: Outcome(None, others, ())})
        of_aside = partial(provenance, aside, enforcement.most_bytes, ())
        publishing = _Publishing(storage, lambda: TableToPublish(aside.table, split.aside(), of_aside))
        try:
            if whole:
                enforced = Enforced(pa.concat_tables(split.passing()), dropped, records)
                outcome = publish_whole(enforced, lambda data, of: publishing.store(table, iter([data]), lambda: of))
            else:
                most = enforcement.most_bytes
                manifest = publishing.store(table, split.passing(), lambda: provenance(job, most, records))
                outcome = Outcome(manifest, None, dropped, checks=manifest.checks)
        except LakehouseError as error:
            named = _with_rows(error, job, place, split.held) if isinstance(error, ContractError) else error
            raise ResultError({name: named.with_traceback(None)}, {}) from None
        if publishing.error is not None:
            raise ResultError({beside: publishing.error.with_traceback(None)}, {name: outcome})
        return Outcome(None, None, (), results={name: outcome, beside: Outcome(publishing.aside, None, ())})


def _with_rows(error: ContractError, job: Job, place: Workplace, held: HeldPieces) -> ContractError:
    """The error; of keys of partitions that were stored at the same time, with the rows that have them."""
    try:
        with closing(HeldPieces()) as again:
            _split(judged_anew(job, place, error), place, held.read(), again, whole=False)
    except ContractError as named:
        return named
    return error


class _Publishing:
    """Stores a table and the rows put aside of it: in one transaction, else the table first.

    Killed in between, the rows put aside are those of another run, as their manifests show: the next run computes both
    from the inputs that the table was computed from. In the other order, those of the table that stays would be gone.

    Attributes:
        aside: The manifest of the rows put aside, once they are stored.
        error: Why they could not be stored beside the table that was; None where they were.
    """

    def __init__(self, storage: AssetStorage, beside: Callable[[], TableToPublish]) -> None:
        self._storage = storage
        self._beside = beside
        self.aside: Manifest | None = None
        self.error: LakehouseError | None = None

    def store(self, table: Table, pieces: Iterator[pa.Table], origin: Callable[[], Provenance]) -> Manifest:
        """Store both; returns the manifest of the table."""
        aside = self._beside()
        together = self._storage.capability(PublishesTogether)
        if together is not None:
            manifest, self.aside = together.publish_together([TableToPublish(table, pieces, origin), aside])
            return manifest
        # What cannot be stored of the rows put aside is found before anything is.
        if (found := self._storage.capability(RehearsesWriting)) is not None:
            found.rehearse(aside.table, self._beside().pieces)
        manifest = publish_pieces(self._storage, table, pieces, origin)
        try:
            self.aside = publish_pieces(self._storage, aside.table, aside.pieces, aside.origin)
        except LakehouseError as error:
            self.error = error
        return manifest


def _split(
    job: Job, place: Workplace, pieces: Iterator[pa.Table], held: HeldPieces, *, whole: bool
) -> tuple[Split, tuple[CheckRecord, ...]]:
    """Judge every check once: those by which rows are put aside on all rows, the others on the rows that pass."""
    table = job.table
    pieces = _without_clash(table, pieces)
    first = [check for check in table.contract.checks if judges_for_quarantine(table, check)]
    rest = [check for check in table.contract.checks if check not in first]
    try:
        with closing(open_judge(job, place, first, rejects=True)) as judge:
            for piece in pieces:
                judge.piece(piece)
                held.add(piece, whole=whole)
            found = judge.finish_rejecting()
            broken = {name: found.rows[name] for name in found.failed}
            rows = np.unique(np.concatenate([np.empty(0, np.int64), *broken.values()]))
            _refuse_too_many(job, found, len(rows), judge.rows, held.read)
            keep_published(table.name, judge.violating_rows(held.read), table.contract.sensitive)
        split = Split(held, rows, broken, job.run_id)
        has_key = job.keys is not None and KEY in job.keys.uniques
        if job.keys is not None:
            job.keys.take_anew(split.passing())
        records = {each.result.name: each for each in _of_published(found, rows)}
        if rest or has_key:
            # Only the keys of what is published count, so that no order of the partitions decides.
            with closing(open_judge(job, place, rest, contract=has_key)) as judge:
                for piece in split.passing():
                    judge.piece(piece)
                records |= {each.result.name: each for each in _of_passing(judge, table, split)}
    except ContractError as error:
        raise explained(error, table, place.folder, None) from None
    return split, tuple(records[check.name] for check in table.contract.checks)


def _without_clash(table: Table, pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The pieces of a result.

    Raises:
        TransformError: They have a column that the quarantine adds.
    """
    for piece in pieces:
        name = next((name for name in REASON_COLUMNS if name in piece.column_names), None)
        if name is not None:
            message = f"result of {table.computed_by}: column `{name}` is one that its quarantine adds"
            hint = "give the column another name, or remove `quarantine`"
            raise TransformError(message, hint=hint, location=table.where("quarantine"))
        yield piece


def _refuse_too_many(job: Job, found: Rejection, count: int, total: int, read_again: ReadAgain) -> None:
    """Raise the error of checks of which not all rows are known, and of more rows than may be put aside."""
    limit = job.table.quarantine
    assert limit is not None  # noqa: S101  # else nothing is put aside
    if found.error is None:
        return
    if not found.is_complete:
        raise found.error(read_again)
    if not Limit.of(limit).is_exceeded(count, total) and count < total:
        return
    error = found.error(read_again)
    error.message = f"{count_text(count)} of {plural(total, 'row')} {'breaks' if count == 1 else 'break'} checks"
    error.message += ", so that none would be left" if count == total else f", and `quarantine` takes {limit}"
    raise error


def _of_passing(judge: Judge, table: Table, split: Split) -> tuple[CheckRecord, ...]:
    """What a judge of the rows that pass found, whose rows get the numbers that they have in the result.

    Raises:
        ContractError: A check failed that keeps them from being published.
    """
    hidden, number = table.contract.sensitive, _numbering(split.rows)

    def move(each: _Numbered) -> _Numbered:
        return each if each.row is None else replace(each, row=number(each.row))

    def moved(records: Sequence[CheckRecord]) -> tuple[CheckRecord, ...]:
        shown = (tuple(map(move, each.result.examples)) for each in records)
        return tuple(replace(e, result=replace(e.result, examples=x)) for e, x in zip(records, shown, strict=True))

    try:
        records = judge.finish(split.passing)
    except ContractError as error:
        error.checks = moved(error.checks)
        error.violations = tuple(replace(each, examples=tuple(map(move, each.examples))) for each in error.violations)
        error.failed = error.failed and moved_rows(error.failed, move, hidden)
        raise
    failed = judge.violating_rows(split.passing)
    keep_published(table.name, failed and moved_rows(failed, move, hidden), hidden)
    return moved(records)


def _numbering(aside: Any) -> Callable[[int], int]:
    """Gives a row that passes its number in the result, from its own, both from 1.

    Args:
        aside: The 0-based numbers of those that are put aside, ascending.
    """
    passing = aside - np.arange(len(aside))  # before each of them
    return lambda row: row + int(np.searchsorted(passing, row - 1, side="right"))


def _of_published(found: Rejection, rows: Any) -> Sequence[CheckRecord]:
    """The records of checks once rows were put aside: what was, and of what is published the counts."""
    records = []
    for record in found.records:
        result = record.result
        gone = int(np.isin(found.rows[result.name], rows, assume_unique=True).sum())
        if gone and result.name in found.failed:
            message = f"{result.message}; {plural(gone, 'row')} put aside"
            result = replace(result, status="warned", quarantined=gone, message=message)
            record = replace(record, state={name: text for name, text in record.state.items() if name != SHARED})
        elif gone:
            result = replace(result, count=result.count - gone, rows=result.rows - gone)
        records.append(replace(record, result=result))
    return records
