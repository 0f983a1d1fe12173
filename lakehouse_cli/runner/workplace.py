"""What a process has at hand to carry out jobs: the project's storages, and its code as the plan read it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from lakehouse_cli.code.snapshot import CodeSnapshot
from lakehouse_cli.errors import LakehouseError, StorageError
from lakehouse_cli.model import FunctionRef, StorageSpec
from lakehouse_cli.code.importing import pin
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.opening import open_storage


class Workplace(Struct, frozen=True):
    """One process's.

    Attributes:
        folder: The project's, absolute and with links resolved, for its modules.
        storages: By name; also those of another environment from which inputs are read.
        code_ns: When the code was read that is computed with, nanoseconds since 1970.
    """

    folder: Path
    storages: Mapping[str, AssetStorage]
    code_ns: int


class WorkerSetup(Struct, frozen=True):
    """What a worker process makes its workplace from; handed over once, as it is started.

    Attributes:
        folder: As of `Workplace`.
        specs: The storages as declared, by the names that jobs call them by; may hold passwords, as no job does.
        code: The project's Python files as the plan read them, which are those that are imported.
        transforms: One of each module that computing loads.
    """

    folder: Path
    specs: Mapping[str, StorageSpec]
    code: CodeSnapshot
    transforms: tuple[FunctionRef, ...] = ()

    def __call__(self) -> None:
        """Load what computing loads, before there is anything to compute.

        What cannot be imported is told by the table that needs it, when its turn comes.
        """
        global _own
        from lakehouse_cli.runner import materializing  # noqa: F401  # loading it is what this is for
        from lakehouse_cli.transforms import load_transform

        pin(self.folder, self.code.files)
        # What the process that leads has opened stays its own, also where this is a copy of it.
        _own = Workplace(self.folder, _WorkerStorages(self.specs), self.code.taken_ns)
        for transform in self.transforms:
            with suppress(LakehouseError):
                load_transform(transform, self.folder)


class _WorkerStorages(dict[str, AssetStorage]):
    """The storages of a worker, each opened when a job first asks for it, and kept open for the jobs to come."""

    def __init__(self, specs: Mapping[str, StorageSpec]) -> None:
        super().__init__()
        self._specs = specs

    def __missing__(self, name: str) -> AssetStorage:
        spec = self._specs[name]
        storage = open_storage(spec)
        if storage.of_one_process:
            # What it stores here would be lost.
            raise StorageError(
                f"storage `{spec.name}` lives in the memory of one process",
                hint="choose another executor (`--executor threads`) or another `root:`",
                location=spec.location,
            )
        self[name] = storage
        return storage


_own: Workplace | None = None


def own_workplace() -> Workplace:
    """That of this worker process, which was set up as it was started."""
    assert _own is not None  # noqa: S101  # executors that do not share memory see to it
    return _own
