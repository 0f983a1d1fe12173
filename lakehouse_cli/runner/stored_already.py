"""What is stored already of a table that a cluster computes: by this run, of which nobody heard, or by one like it.

A worker may die, or be cut off, when it has stored a table and not said so. What the workers of a run were at that has
died may be stored after the plan of the next one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.manifest import UNFINISHED, InputRecord, Manifest, is_same_content
from lakehouse_cli.model.stored_version import StoredVersion
from lakehouse_cli.runner.jobs import Job, Outcome
from lakehouse_cli.storage.base import AssetStorage

#: Seconds for which another run is waited for that has stored a part of a table: its data, or what says whose they are.
SETTLING_S = 10.0
_LOOK_S = 0.1


def stored_already(job: Job, storages: Mapping[str, AssetStorage], patience_s: float = 0.0) -> Outcome | None:
    """The result of a table that is stored as this job would store it; None where it is not, or that cannot be known.

    Args:
        job: The table.
        storages: By name.
        patience_s: For how long it is waited for, where only a part of it is there.
    """
    if not job.publish or job.is_check or job.siblings:
        return None
    limit = time.monotonic() + patience_s
    try:
        while (manifest := _stored_whole(job, storages[job.table.storage])) is None and time.monotonic() < limit:
            time.sleep(_LOOK_S)
    except LakehouseError:
        return None
    if manifest is None or not _is_of(manifest, job):
        return None
    return Outcome(manifest, None, (), checks=manifest.checks)


def over_what_was_left(job: Job, storages: Mapping[str, AssetStorage]) -> Job:
    """A job that was given to a worker before, which may have died as it stored: over what is there of that.

    That are data of which nothing says whose they are, for as long as an attempt takes that is thought dead and is not;
    and of several results, those that are stored, as all are stored anew.
    """
    limit = time.monotonic() + SETTLING_S
    with suppress(LakehouseError):
        while any(_is_half(each, storages) for each in job.members) and time.monotonic() < limit:
            time.sleep(_LOOK_S)
        first, *others = (replace(each, expected=_left(each, storages)) for each in job.members)
        return replace(first, siblings=tuple(others))
    return job


def _is_half(job: Job, storages: Mapping[str, AssetStorage]) -> bool:
    storage = storages[job.table.storage]
    return _put_since(job, storage) is not None and _stored_whole(job, storage) is None


def _left(job: Job, storages: Mapping[str, AssetStorage]) -> StoredVersion | None:
    """The version that a job replaces, with the data that an attempt at it left."""
    storage = storages[job.table.storage]
    data = _put_since(job, storage)
    if job.expected is None or data is None:
        return job.expected
    manifest = _stored_whole(job, storage)
    is_ours = manifest is None or (manifest.run_id == job.run_id and not job.expected.once)
    return replace(job.expected, content=data) if is_ours else job.expected


def _put_since(job: Job, storage: AssetStorage) -> InputRecord | None:
    """The data that are there, if they are others than the plan saw."""
    if not job.publish or job.is_check or job.expected is None:
        return None
    planned = job.expected.content
    found = storage.content(job.table, () if planned is None else (planned,))
    is_planned = found and planned and (found.bytes, found.modified_ns) == (planned.bytes, planned.modified_ns)
    return None if is_planned else found


def _stored_whole(job: Job, storage: AssetStorage) -> Manifest | None:
    """The manifest of a table whose data are there: one of the two may come first, and a worker die then."""
    manifest = storage.read_manifest(job.table)
    if manifest is None or manifest.content_hash == UNFINISHED:
        return None
    found = storage.content(job.table, (manifest.content,))
    return manifest if found is not None and found.content_hash == manifest.content_hash else None


def _is_of(manifest: Manifest, job: Job) -> bool:
    """Whether a manifest is of this run, or of another that has computed the same from the same."""
    if manifest.run_id == job.run_id:
        return True
    if job.forced or job.recipe is None or manifest.recipe != job.recipe:
        return False
    expected = {job.recorded.get(name, name): record for name, record in job.expected_inputs.items()}
    same = all(is_same_content(manifest.inputs.get(name), record) for name, record in expected.items())
    return same and manifest.inputs.keys() == expected.keys()
