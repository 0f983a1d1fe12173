"""What is stored already of a table that a cluster computes: by this run, of which nobody heard, or by one like it.

A worker may die, or be cut off, when it has stored a table and not said so. What the workers of a run were at that has
died may be stored after the plan of the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.manifest import UNFINISHED, Manifest, is_same_content
from lakehouse_cli.runner.jobs import Job, Outcome
from lakehouse_cli.storage.base import AssetStorage


def stored_already(job: Job, storages: Mapping[str, AssetStorage]) -> Outcome | None:
    """The result of a table that is stored as this job would store it; None where it is not, or that cannot be known.

    Args:
        job: The table.
        storages: By name.
    """
    if not job.publish or job.is_check or job.siblings:
        return None
    with suppress(LakehouseError):
        storage = storages[job.table.storage]
        manifest = storage.read_manifest(job.table)
        if manifest is None or manifest.content_hash == UNFINISHED or not _is_of(manifest, job):
            return None
        # A manifest may come before its data, by which a worker was killed.
        found = storage.content(job.table, (manifest.content,))
        if found is not None and found.content_hash == manifest.content_hash:
            return Outcome(manifest, None, (), checks=manifest.checks)
    return None


def _is_of(manifest: Manifest, job: Job) -> bool:
    """Whether a manifest is of this run, or of another that has computed the same from the same."""
    if manifest.run_id == job.run_id:
        return True
    if job.forced or job.recipe is None or manifest.recipe != job.recipe:
        return False
    expected = {job.recorded.get(name, name): record for name, record in job.expected_inputs.items()}
    same = all(is_same_content(manifest.inputs.get(name), record) for name, record in expected.items())
    return same and manifest.inputs.keys() == expected.keys()
