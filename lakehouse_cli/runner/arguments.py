"""What the parameters of a job's computation get."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse_cli.model.computation import Input
from lakehouse_cli.runner.jobs import Job
from lakehouse_cli.transforms import Argument, PartitionedObjects


def argument_of(job: Job, given: Mapping[str, Argument], edge: Input) -> Argument:
    """What a parameter gets: an input, or some of its rows by time."""
    span = job.within.get(edge.parameter or "")
    if span is None:
        found = given[edge.table]
        return found.absent if edge.is_single and isinstance(found, PartitionedObjects) else found
    from lakehouse_cli.runner.within import rows_within  # seldom needed

    return rows_within(given[edge.table], span, edge.parameter or edge.table)
