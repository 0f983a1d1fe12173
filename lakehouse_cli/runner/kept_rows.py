"""The work on tables while all rows that break a contract are kept, and what of these goes with its outcome."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from lakehouse_cli.errors import FailedRows
from lakehouse_cli.runner.jobs import Job, Outcome, ResultError
from lakehouse_cli.text.redaction import Mask


def keeping(
    job: Job,
    folder: Path,
    mask: Mask,
    work: Callable[[], Outcome],
    carried: Callable[[FailedRows], FailedRows] | None = None,
) -> Outcome:
    """Do the work on a job; the outcome has the rows of tables that are published though they violate checks.

    Args:
        job: The job.
        folder: The project's, here.
        mask: Takes secrets out of what is kept.
        work: Raises what this raises.
        carried: Changes rows as they travel to another machine.
    """
    from lakehouse_cli.violating_rows.writing import keeping_rows

    with keeping_rows(job.rows_kept(folder), mask) as published:

        def with_rows(name: str, outcome: Outcome) -> Outcome:
            failed = published.pop(name, None)
            return outcome if failed is None else replace(outcome, failed=carried(failed) if carried else failed)

        try:
            outcome = work()
        except ResultError as error:
            error.stored = {name: with_rows(name, each) for name, each in error.stored.items()}
            raise
        if not published:
            return outcome
        results = {n: with_rows(n, e) if isinstance(e, Outcome) else e for n, e in outcome.results.items()}
        return replace(outcome, results=results) if results else with_rows(job.table.name, outcome)
