"""The entry of a worker process: its setup, and the function that carries out a job.

Nothing here loads Arrow or the user's code before it is called: a process that only leads others starts at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from lakehouse_cli.code.importing import pin
from lakehouse_cli.code.snapshot import CodeSnapshot
from lakehouse_cli.engines.spark_session import use_in_worker
from lakehouse_cli.errors import DataError, FailedRows, LakehouseError, OvertakenError
from lakehouse_cli.executors.progress import begin_work
from lakehouse_cli.model import FunctionRef, SparkSpec, StorageSpec
from lakehouse_cli.runner.handover import Handover, read_handover
from lakehouse_cli.runner.jobs import InputError, Job, Outcome, PrivateParams, ResultError
from lakehouse_cli.runner.kept_rows import keeping
from lakehouse_cli.runner.workplace import KeptInputs, WorkerStorages, Workplace, own_place, settle
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.text.redaction import Mask, masked_error, unmasked

if TYPE_CHECKING:
    import pyarrow as pa

_private: PrivateParams = {}


class WorkerSetup(Struct, frozen=True):
    """The setup of a worker process; handed over once, as it is started.

    Attributes:
        folder: As of `Workplace`.
        specs: The storages as declared, by the names that jobs use; may have passwords, as no job does.
        code: The project's Python files as the plan read them, which are those that are imported.
        transforms: One of each module that the run loads.
        spark: The session of transforms on Spark.
        params: Those that are never shown, as no job has.
        staging: The folder in which results wait until all of the run have passed; None where they are stored at once.
        is_cluster: Whether the processes are those of a cluster's workers.
        is_unpacked: Whether the folder is a copy, at a worker of a cluster.
        missing: Modules that transforms' own import at their top, and that are not on this machine.
        mask: Takes secrets out of what is written beside data; it has them.
    """

    folder: Path
    specs: Mapping[str, StorageSpec]
    code: CodeSnapshot
    transforms: tuple[FunctionRef, ...] = ()
    spark: SparkSpec = SparkSpec()
    params: PrivateParams = {}
    staging: str | None = None
    is_cluster: bool = False
    is_unpacked: bool = False
    missing: tuple[str, ...] = ()
    mask: Mask = unmasked

    def place(self, storages: Mapping[str, AssetStorage], kept: KeptInputs | None = None) -> Workplace:
        """The workplace of a process with these storages, and what it keeps of inputs."""
        return Workplace(self.folder, storages, self.code.taken_ns, self.is_unpacked, kept, self.mask)

    def __call__(self) -> None:
        """Load all that computing needs, before there is anything to compute.

        A module that cannot be imported is the failure of the table that needs it, when its turn comes.
        """
        global _private
        from lakehouse_cli.runner import materializing  # noqa: F401  # loading it is what this is for
        from lakehouse_cli.transforms import load_transform

        pin(self.folder, self.code.files)
        use_in_worker(self.spark, self.folder)
        # Storages that the leading process has opened stay its own, also where this is a copy of it.
        storages = WorkerStorages(self.specs, self.staging)
        kept = KeptInputs() if self.is_unpacked else None
        settle(self.place(storages, kept))
        _private = self.params
        for transform in self.transforms:
            with suppress(LakehouseError):
                load_transform(transform, self.folder)


def materialize_here(
    job: Job, given: Mapping[str, pa.Table], handed: Mapping[str, Handover], hand_to: Mapping[str, str]
) -> Outcome:
    """Materialize in a process that shares nothing.

    Args:
        job: The table.
        given: Inputs that are stored nowhere, by name; the others come from storage.
        handed: Of those, the ones that other processes have written for it.
        hand_to: Where results are written for their consumers, by table; those that have none are left out.
    """
    begin_work(job.table.name)
    place, job = own_place(), job.with_private(_private) if _private else job
    if place.is_unpacked:
        return _materialize_at_worker(job.on_worker(place.folder), place, given)
    return keeping(job, place.folder, place.mask, lambda: _materialize(job, place, given, handed, hand_to))


def _materialize_at_worker(job: Job, place: Workplace, given: Mapping[str, pa.Table]) -> Outcome:
    """Materialize at a worker of a cluster, where the run may have stored the table already."""
    from lakehouse_cli.executors.clusters import messages
    from lakehouse_cli.executors.clusters.bundle import mask_of_bundle
    from lakehouse_cli.runner.stored_already import SETTLING_S, over_what_was_left, stored_already
    from lakehouse_cli.violating_rows.sending import send

    if messages.was_given_before():
        job = over_what_was_left(job, place.storages)
        if (stored := stored_already(job, place.storages)) is not None:
            return stored
    mask = mask_of_bundle(place.folder.parent)
    if job.publish and isinstance(place.storages, WorkerStorages):
        place.storages.sync_later(job.table.storage)
        messages.at_rest(place.storages.sync)

    def carried(failed: FailedRows) -> FailedRows:
        return send(failed, messages.PART, messages.LeftFile)

    def sent(error: LakehouseError) -> LakehouseError:
        if isinstance(error, DataError) and error.failed is not None:
            error.failed = carried(error.failed)
        return masked_error(error, mask)

    try:
        return keeping(job, place.folder, mask, lambda: _materialize(job, place, given, {}, {}), carried)
    except LakehouseError as error:
        if isinstance(error, OvertakenError):
            stored = stored_already(job, place.storages, SETTLING_S)
            if stored is not None:
                return stored
        raise sent(error) from None
    except InputError as error:
        raise InputError(error.name, sent(error.error)) from None
    except ResultError as error:
        raise ResultError({name: sent(each) for name, each in error.errors.items()}, error.stored) from None


def _materialize(
    job: Job,
    place: Workplace,
    given: Mapping[str, pa.Table],
    handed: Mapping[str, Handover],
    hand_to: Mapping[str, str],
) -> Outcome:
    """Materialize in this process; arguments as of `materialize_here`."""
    from lakehouse_cli.runner.materializing import materialize
    from lakehouse_cli.runner.stored_inputs import (
        input_frames,
        open_by_time,
        open_input,
        read_input,
        reads_by_time,
        streamed_inputs,
    )
    from lakehouse_cli.transforms import SharedTable, StreamedTable

    if job.is_check:
        from lakehouse_cli.runner.checking import check_stored

        return check_stored(job, place)
    streamed = streamed_inputs(job, place.folder)
    wanted = {name: {each.name for each in types} for name, types in input_frames(job, place.folder).items()}

    def read(name: str) -> SharedTable | StreamedTable:
        if name in handed and (mapped := read_handover(handed[name].path)) is not None:
            return SharedTable(mapped, wanted.get(name, ()), handed[name].content)
        if job.within and reads_by_time(job, name, shares=False):
            return open_by_time(job, place, name, streams=name in streamed)
        if name in streamed:
            return open_input(job, place, name, streamed[name])
        load = partial(read_input, job, place)
        data, content = load(name) if place.kept is None else place.kept.get(job, name, load)
        return SharedTable(data, wanted.get(name, ()), content)

    # No variable holds the data of an input, which is let go of before the result is stored.
    inputs: dict[str, SharedTable | StreamedTable] = {name: SharedTable(data) for name, data in given.items()}
    inputs |= {name: read(name) for name in {*handed, *job.read_inputs} - inputs.keys()}

    def release() -> None:
        for shared in inputs.values():
            if isinstance(shared, SharedTable):
                shared.release()

    if job.table.output:
        from lakehouse_cli.runner.several_results import materialize_results

        return materialize_results(job, place, inputs, hand_to=hand_to, on_computed=release)
    return materialize(job, place, inputs, hand_to=hand_to.get(job.table.name), on_computed=release)
