"""What a run has stored already, though nobody has said so: its worker died, or was not heard any more."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.manifest import UNFINISHED
from lakehouse_cli.runner.jobs import Job, Outcome
from lakehouse_cli.storage.base import AssetStorage


def own_publication(job: Job, storages: Mapping[str, AssetStorage]) -> Outcome | None:
    """The result of a table that this run has stored; None where it has not, or that cannot be known.

    Args:
        job: The table.
        storages: By name.
    """
    if not job.publish or job.is_check or job.siblings:
        return None
    with suppress(LakehouseError):
        manifest = storages[job.table.storage].read_manifest(job.table)
        if manifest is not None and manifest.run_id == job.run_id and manifest.content_hash != UNFINISHED:
            return Outcome(manifest, None, (), checks=manifest.checks)
    return None
