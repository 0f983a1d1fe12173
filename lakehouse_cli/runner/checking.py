"""The checks of a table in a run: on a result before it is published, and on data that are stored already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.checks.judge import Judge
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.checks.summaries import passed_by_summary, without_known_nulls
from lakehouse_cli.contracts.findings import ReadAgain
from lakehouse_cli.contracts.hiding import hide_sensitive
from lakehouse_cli.contracts.joined_rows import keep_published, merged_rows, rows_of_checks
from lakehouse_cli.contracts.keys import at_key
from lakehouse_cli.errors import CORRECT_DATA, ContractError, DataError, MissingDataError
from lakehouse_cli.formats.summary import Summary
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import Check, CheckRecord, CheckResult
from lakehouse_cli.model.check_verdict import with_put_aside
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_keys import across_partitions
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.runner.jobs import Job, JobChecks, Outcome
from lakehouse_cli.runner.table_results import STORED_HINT, first_rows
from lakehouse_cli.runner.unfit_columns import add_rest
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.runs.failed_rows import FailedRowsStore
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import find_lines, keep_checks
from lakehouse_cli.storage.partition_capability import partitions
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    from lakehouse_cli.plan.partitioning import Link


class _StoredTables:
    """The stored tables that checks look at, read from their storages."""

    def __init__(self, place: Workplace, checks: JobChecks, partition: Partition | None) -> None:
        self._place = place
        self._checks = checks
        self._partition = partition

    def content(self, name: str) -> str | None:
        """The hash of what is stored; None where it cannot be looked at."""
        if name in self._checks.unpublished:
            return "unpublished"
        record = self._checks.contents.get(name)
        return None if record is None else record.content_hash

    def why_not(self, name: str) -> str:
        """Why a table cannot be looked at."""
        return f"`{name}` {self._checks.unusable.get(name, 'has no data to look at')}"

    def columns(self, name: str, columns: Sequence[str]) -> Iterator[list[pa.ChunkedArray]]:
        """Some columns of a table, piece by piece."""
        for piece in self._pieces(name, columns):
            yield [piece.column(each) for each in columns]

    def rows(self, name: str) -> int:
        """How many rows a table has, or those of its partitions that make up the one that is judged."""
        link = self._checks.counted.get(name)
        if self._partition is not None and link is not None:
            return self._rows_of(self._checks.references[name], self._partition, link)
        if name in self._checks.unpublished:
            return int(self._checks.unpublished[name].num_rows)
        known = self._checks.contents[name].rows
        return known if known >= 0 else sum(piece.num_rows for piece in self._pieces(name, None))

    def _rows_of(self, table: Table, partition: Partition, link: Link) -> int:
        from lakehouse_cli.plan.partitioning import LinkIndex  # seldom needed

        storage = self._place.storages[table.storage]
        if table.partitions == partition.dimensions:
            manifest = storage.read_manifest(unit_of(table, partition))
            return 0 if manifest is None else manifest.row_count or 0
        stored = partitions(storage, table)
        return sum(stored[each].rows for each in LinkIndex(link, stored).choose(partition.values).members)

    def _pieces(self, name: str, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        if name in self._checks.unpublished:
            return iter([self._checks.unpublished[name]])
        table = self._checks.references[name]
        storage = self._place.storages[table.storage]
        declared = table.columns
        if columns is not None and declared is not None and {each.name for each in declared} >= {*columns}:
            declared = tuple(each for each in declared if each.name in columns)
        pieces, _ = scan(storage, table, declared).pieces_with_content(())
        return pieces()


def open_judge(
    job: Job, place: Workplace, checks: Sequence[Check], *, contract: bool = False, rejects: bool = False
) -> Judge:
    """Make what judges checks of a job's table; to be closed."""
    return Judge(job.table, checks, setting_of(job, place), contract=contract, rejects=rejects)


def setting_of(job: Job, place: Workplace) -> Setting:
    """What the checks of a job's table are judged with."""
    of = job.checks or JobChecks()
    table = job.table
    lines = partial(find_lines, place.storages[table.storage], table) if table.kind == "source" else None
    newest = {}
    if table.is_many_units and table.selected is not None:
        from lakehouse_cli.runner.partition_checking import newest_beside  # seldom needed

        newest = newest_beside(table, place.storages[table.storage])
    return Setting(
        place.folder,
        job.run_started,
        _StoredTables(place, of, table.partition),
        workers=job.workers,
        before=of.before,
        codes=of.codes,
        find_lines=lines,
        partitions=job.keys,
        newest=newest,
    )


def with_keys(job: Job, place: Workplace) -> Job:
    """The job with the keys of its partition, where these are judged by those of the other partitions.

    Raises:
        StorageError: What is stored of these cannot be looked at.
    """
    table = job.table
    if table.partition is None or not job.publish or not across_partitions(table):
        return job
    from lakehouse_cli.runner.partition_keys import PartitionKeys  # seldom needed

    storage, form = place.storages[table.storage], None if job.recipe is None else job.recipe.storage
    return replace(job, keys=PartitionKeys(table, storage, job.run_id, partial(setting_of, job, place), form))


def judge_table(job: Job, place: Workplace, table: pa.Table) -> tuple[CheckRecord, ...]:
    """Judge the checks of a table on a result that is in memory as a whole.

    Raises:
        ContractError: One failed that keeps it from being published.
    """
    return judge_pieces(job, place, iter([table])) if job.judges else ()


def judge_pieces(job: Job, place: Workplace, pieces: Iterator[pa.Table]) -> tuple[CheckRecord, ...]:
    """The same of a result that comes piece by piece."""
    with closing(open_judge(job, place, job.table.contract.checks)) as judge:
        for piece in pieces:
            judge.piece(piece)
        return finished(judge, job.table)


def finished(judge: Judge, table: Table, read_again: ReadAgain | None = None) -> tuple[CheckRecord, ...]:
    """What a judge of a table found; where that is published, the rows that violate checks are kept.

    Args:
        judge: All pieces were given to it.
        table: The table.
        read_again: As of `Judge.finish`.

    Raises:
        ContractError: A check failed that keeps it from being published.
    """
    records = judge.finish(read_again)
    keep_published(table.name, judge.violating_rows(read_again), table.contract.sensitive)
    return records


class JudgedPieces:
    """The pieces of a result, with its checks judged as they pass.

    Args:
        job: Whose result it is.
        place: Storages and code of this process.
        pieces: The result.
        explain: Adds to the error of a failure what to do.

    Attributes:
        records: What was found, once all have passed.
    """

    def __init__(
        self,
        job: Job,
        place: Workplace,
        pieces: Iterator[pa.Table],
        explain: Callable[[ContractError], ContractError],
    ) -> None:
        self.records: tuple[CheckRecord, ...] = ()
        self._table = job.table
        self._open = partial(open_judge, job, place, job.table.contract.checks)
        self._pieces = pieces
        self._explain = explain

    def __iter__(self) -> Iterator[pa.Table]:
        """Pass the pieces on.

        Raises:
            ContractError: A check failed that keeps it from being published.
        """
        with closing(self._open()) as judge:
            for piece in self._pieces:
                judge.piece(piece)
                yield piece
            try:
                self.records = finished(judge, self._table)
            except ContractError as error:
                raise self._explain(error) from None


def check_stored(job: Job, place: Workplace) -> Outcome:
    """Judge checks on what is stored of a table, which stays as it is, and record what was found in its manifest.

    Where values do not fit their declared types, the other columns are judged all the same. Nothing is recorded of data
    that are not those of the manifest.

    Raises:
        ContractError: One failed that keeps others from using the table.
        LakehouseError: It cannot be read.
    """
    job = with_keys(job, place)
    try:
        return _check_stored(job, place)
    except ContractError:
        raise
    except MissingDataError as error:
        if job.checks is None or job.checks.manifest is None:
            raise
        from lakehouse_cli.plan.stored_states import gone_data  # seldom needed

        shown = place.storages[job.table.storage].uri(job.table)
        raise gone_data(error, job.table, shown).with_traceback(None) from None
    except DataError as error:
        assert job.checks is not None  # noqa: S101  # the loop gives it
        due = [check for check in job.table.contract.checks if check.name in (job.checks.only or ())]
        if job.checks.validates:
            add_rest(error, job.table, due, place.storages[job.table.storage], setting_of(job, place))
            hide_sensitive(error, job.table.contract.sensitive, job.table.key)
        raise
    finally:
        if job.keys is not None:
            job.keys.keep_read()


def _check_stored(job: Job, place: Workplace) -> Outcome:
    table, checks = job.table, job.checks
    assert checks is not None  # noqa: S101  # the loop gives it
    storage = place.storages[table.storage]
    due = [check for check in table.contract.checks if check.name in (checks.only or ())]
    failure: ContractError | None = None
    found_as, data, summary = _open_stored(job, storage)
    known: dict[str, CheckRecord] = {}
    if summary is not None:
        known = passed_by_summary(table, due, setting_of(job, place), summary)
        due, judged = [each for each in due if each.name not in known], without_known_nulls(table, summary)
        job = replace(job, table=judged)
    found: tuple[CheckRecord, ...] = ()
    if table.is_many_units:
        due, found, failure = _judged_partitions(job, place, due)
    names = _judged_columns(job.table, due, validates=checks.validates)
    rows = 0 if summary is None else summary.rows
    if summary is None or names is None or names or due:
        with closing(open_judge(job, place, due, contract=checks.validates)) as judge:
            for piece in data(names):
                judge.piece(piece)
            try:
                found += finished(judge, table, partial(data, names))
            except ContractError as error:
                found += error.checks
                failure = error if failure is None else _merged(failure, error, table.contract.sensitive)
            rows = judge.rows
    found = (*known.values(), *found)
    before = () if checks.manifest is None else checks.manifest.checks
    if table.is_many_units and table.quarantine is not None:
        from lakehouse_cli.runner.partition_checking import recorded  # seldom needed

        before = recorded(table, storage)
    anew = {record.result.name: with_put_aside(record, before) for record in found}
    records = tuple(
        anew.get(check.name) or checks.standing[check.name]
        for check in table.contract.checks
        if check.name in anew or check.name in checks.standing
    )
    same = checks.manifest is not None and found_as.content_hash == checks.manifest.content_hash
    if checks.manifest is not None and same and job.publish:
        kept = tuple(replace(each, result=replace(each.result, location=None)) for each in records)
        keep_checks(storage, table, checks.manifest, kept)
    if failure is not None:
        failure.checks, failure.judged = records, found_as._replace(rows=rows)
        failure.hint = failure.hint or (CORRECT_DATA if table.kind == "source" else STORED_HINT)
        hide_sensitive(failure, table.contract.sensitive, table.key)
        raise at_key(failure, table)
    known_now = {each.result.name for each in found if each.result.count or each.result.errored}
    _keep_earlier(job, place, [each.result for each in records if each.result.name not in known_now])
    shown = (
        replace(each, result=replace(each.result, earlier=True)) if each.result.quarantined else each
        for each in records
    )
    return Outcome(None, None, (), checks=tuple(shown), judged=found_as._replace(rows=rows))


def _judged_partitions(
    job: Job, place: Workplace, due: list[Check]
) -> tuple[list[Check], tuple[CheckRecord, ...], ContractError | None]:
    """The checks that are left, once those were judged that a run judges by partition; with what was found of these."""
    from lakehouse_cli.runner.partition_checking import JudgedPartitions, is_of_partitions  # seldom needed

    table, each = job.table, [check for check in due if is_of_partitions(job.table, check)]
    if not each:
        return due, (), None

    def opened(unit: Table, checks: Sequence[Check], before: int | None) -> Judge:
        of = job.checks or JobChecks()
        return open_judge(replace(job, table=unit, checks=replace(of, before=before)), place, checks)

    left = [check for check in due if check not in each]
    with closing(JudgedPartitions(table, place.storages[table.storage], each, opened)) as judging:
        try:
            return left, judging.judge(_judged_columns(table, each, validates=False)), None
        except ContractError as error:
            return left, error.checks, error


def _merged(one: ContractError, other: ContractError, hidden: Collection[str]) -> ContractError:
    """Two failures of one table as one."""
    violations = (*one.violations, *other.violations)
    error = ContractError(plural(len(violations), "violation"), violations, location=violations[0].location)
    error.failed = merged_rows([each.failed for each in (one, other) if each.failed is not None], hidden)
    return error


def _keep_earlier(job: Job, place: Workplace, results: Sequence[CheckResult]) -> None:
    """Keep the rows of checks that were judged earlier: those that were kept of them, or else the first."""
    violated = [each for each in results if (each.count or each.errored) and each.examples]
    if not violated or job.environment is None:
        return
    name, hidden = job.table.name, job.table.contract.sensitive
    kept, failed = FailedRowsStore(place.folder, job.environment, place.mask).read(name), None
    if kept is not None:
        written = kept.failed.written and replace(kept.failed.written, file=kept.file or "")
        counts = Counter({each.name: each.count + each.errored for each in violated})
        failed = rows_of_checks(replace(kept.failed, written=written), counts, hidden)
    keep_published(name, failed or first_rows(violated), hidden)


def _open_stored(
    job: Job, storage: AssetStorage
) -> tuple[InputRecord, Callable[[set[str] | None], Iterator[pa.Table]], Summary | None]:
    """The record of a table's stored content, what reads its pieces, and what the file says of its columns unread.

    Of what a run stored, only the columns to judge are read; of anything else all, and its file is not believed.
    """
    table, checks = job.table, job.checks
    manifest = None if checks is None else checks.manifest
    found = scan(storage, table, table.columns)
    pieces, record = found.pieces_with_content(() if manifest is None else (manifest.content,))
    is_ours = table.kind == "computed" and manifest is not None and manifest.content_hash == record.content_hash
    # Of another type than is declared by now, a column must be read for that to show.
    stored = dict(manifest.columns) if manifest is not None and is_ours else {}
    is_ours = is_ours and all(stored.get(each.name) == str(each.type) for each in table.columns or ())
    if not is_ours or not table.columns or not found.reads_columns:
        return record, lambda _: pieces(), None
    first = table.columns[0].name

    def of_columns(names: set[str] | None) -> Iterator[pa.Table]:
        return pieces() if names is None else found.read_columns(record, names or {first})

    return record, of_columns, found.summary(record)


def _judged_columns(table: Table, checks: Sequence[Check], *, validates: bool) -> set[str] | None:
    """The columns that checks look at, and nulls and key where these are judged; None where that may be any."""
    if table.columns is None or any(
        each.where is not None or each.kind in ("expression", "sql", "function") for each in checks
    ):
        return None
    names = {*table.key, *(each.name for each in table.columns if not each.nullable)} if validates else set()
    for each in checks:
        names |= {*each.columns}
        if each.references == table.name:
            names |= {*each.arguments.get("references", ())}
    return names
