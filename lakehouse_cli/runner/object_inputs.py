"""The inputs of a job that are no tables: what shows that they are ours, and what was raised as they were loaded."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse_cli.formats import SERIALIZERS
from lakehouse_cli.runner.jobs import InputError, Job
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.transforms import Argument, ObjectInput, PartitionedObjects, SharedTable, StreamedTable


def object_inputs(
    job: Job, place: Workplace, given: Mapping[str, SharedTable | StreamedTable]
) -> dict[str, ObjectInput]:
    """The inputs that are no tables, with their manifests where what is stored must be ours."""
    found: dict[str, ObjectInput] = {}
    for name, shared in given.items():
        declared = job.tables[name]
        if not declared.serializer:
            continue
        storage = place.storages[declared.storage]
        runs_code = SERIALIZERS[declared.serializer].runs_code and shared.content is not None
        if declared.is_many_units:
            manifest_of = (lambda unit, of=storage: of.read_manifest(unit)) if runs_code else None
            found[name] = PartitionedObjects(shared, declared, job.project, job.periods, manifest_of)
        else:
            found[name] = ObjectInput(
                shared, declared, job.project, storage.read_manifest(declared) if runs_code else None
            )
    return found


def raise_of_input(given: Mapping[str, Argument]) -> None:
    """Raise what was raised as an input was read or loaded, which the transform only passed on."""
    for name, shared in given.items():
        if isinstance(shared, StreamedTable | ObjectInput) and shared.error is not None:
            raise InputError(name, shared.error.with_traceback(None)) from None
