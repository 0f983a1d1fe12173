"""The workplace of a process that carries out jobs: the project's storages, and its code as the plan read it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.opening import open_storage


class Workplace(Struct, frozen=True):
    """The storages and the code of one process.

    Attributes:
        folder: The project's, absolute and with links resolved, for its modules.
        storages: By name; also those of another environment from which inputs are read.
        code_ns: When the code was read, nanoseconds since 1970.
        is_unpacked: Whether the folder is a copy, at a worker of a cluster.
    """

    folder: Path
    storages: Mapping[str, AssetStorage]
    code_ns: int
    is_unpacked: bool = False


class WorkerStorages(dict[str, AssetStorage]):
    """The storages of a worker, each opened when a job first asks for it, and kept open for the jobs to come.

    Args:
        specs: Their declarations, by name.
        staging: The folder in which results wait until all of the run have passed; None where they are stored at once.
    """

    def __init__(self, specs: Mapping[str, StorageSpec], staging: str | None = None) -> None:
        super().__init__()
        self._specs = specs
        self._staging = staging

    def __missing__(self, name: str) -> AssetStorage:
        spec = self._specs[name]
        storage = open_storage(spec)
        if storage.of_one_process:
            # A table that it stores here would be lost.
            raise StorageError(
                f"storage `{spec.name}` lives in the memory of one process",
                hint="choose another executor (`--executor threads`) or another `root:`",
                location=spec.location,
            )
        if self._staging is not None:
            from lakehouse_cli.storage.staging import staging  # of such runs alone

            storage = staging(storage, self._staging)
        self[name] = storage
        return storage
