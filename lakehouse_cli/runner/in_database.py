"""The work on a table whose query runs in the database in which it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.contracts import Enforcement
from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.runner.contract import kept_pieces
from lakehouse_cli.runner.jobs import InputError, Job, Outcome, over_time
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.storage.base import Provenance
from lakehouse_cli.storage.capabilities import query_runner
from lakehouse_cli.storage.queries import DatabaseQuery, QueryInput, QueryInputError, QueryTimeoutError
from lakehouse_cli.storage.table_scan import explain_stored


def compute_in_database(
    job: Job,
    place: Workplace,
    unstored: Mapping[str, pa.Table],
    origin: Callable[[Mapping[str, InputRecord], tuple[CheckRecord, ...]], Provenance],
) -> Outcome:
    """Have the database compute a table, and publish it unless the job says not to.

    Args:
        job: With a query whose engine is the storage.
        place: The storages of this process.
        unstored: Inputs that are stored nowhere, by table.
        origin: For the manifest, given the content of each input, and what its checks found.

    Raises:
        LakehouseError: The query failed, its result breaks the contract, or it could not be published.
    """
    table = job.table
    storage = query_runner(place.storages[table.storage], table)
    checks: tuple[CheckRecord, ...] = ()

    def judge(pieces: Iterator[pa.Table]) -> None:
        nonlocal checks
        from lakehouse_cli.runner.checking import judge_pieces  # not loaded where no table has checks

        with closing(Enforcement(table.columns, table.key, table.extra_columns, job.keys)) as enforcement:
            if job.keys is not None:
                pieces = kept_pieces(job, place, place.storages[table.storage], pieces, enforcement)
            checks = judge_pieces(job, place, pieces)

    try:
        query = _query(job, place, unstored)
        if job.judges or job.keys is not None:
            query = replace(query, judge=judge)
        if not job.publish:
            computed = storage.compute_query(table, query)
            return Outcome(None, computed.data, computed.dropped, checks=checks)
        computed = storage.publish_query(table, query, lambda records: origin(_as_read(job, records), checks))
        return Outcome(computed.manifest, None, computed.dropped, checks=checks)
    except QueryTimeoutError:
        raise over_time(table) from None
    except QueryInputError as error:
        explain_stored(error.error, place.storages[job.tables[error.name].storage], job.tables[error.name])
        raise InputError(error.name, _traceless(error.error)) from None


def _query(job: Job, place: Workplace, unstored: Mapping[str, pa.Table]) -> DatabaseQuery:
    table = job.table
    assert table.query is not None  # noqa: S101  # it is what the database computes
    inputs = {}
    for each in job.inputs:
        declared, expected = job.tables[each.table], job.expected_inputs.get(each.table)
        known = () if expected is None else (expected,)
        storage = place.storages[declared.storage]
        data = unstored.get(each.table)
        span = job.within.get(each.parameter or "")
        inputs[each.parameter or each.table] = QueryInput(each.table, declared, storage, known, data, span)
    dimensions = None
    if table.partition is not None:
        from lakehouse_cli.runner.dimension_columns import DimensionColumns  # not loaded for whole tables

        dimensions = DimensionColumns(table, job.periods).row
    options = table.params, table.reproducible, job.forced, job.run_started, table.timeout, dimensions
    return DatabaseQuery(table.query.bare, inputs, *options, beside=job.beside)


def _as_read(job: Job, records: Mapping[str, InputRecord]) -> dict[str, InputRecord]:
    """Records of inputs, with how these are read."""
    expected = job.expected_inputs
    return {
        name: record._replace(reading=expected[name].reading if name in expected else "")
        for name, record in records.items()
    }


def _traceless(error: LakehouseError) -> LakehouseError:
    return error.with_traceback(None)
