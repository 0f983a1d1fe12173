"""The workplace of a process that carries out jobs: the project's storages, and its code as the plan read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import SyncsLater
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.text.redaction import Mask, unmasked

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.model.manifest import InputRecord
    from lakehouse_cli.runner.jobs import Job

# Bytes of inputs that a process keeps for the tables to come.
_KEPT = 1 << 26


class KeptInputs:
    """Inputs that a process of a worker has read, for other tables of the same run that read the same."""

    def __init__(self) -> None:
        self._run = ""
        self._kept: dict[str, tuple[pa.Table, InputRecord]] = {}
        self._bytes = 0

    def get(
        self, job: Job, name: str, read: Callable[[str], tuple[pa.Table, InputRecord]]
    ) -> tuple[pa.Table, InputRecord]:
        """An input of a job, with the record of its content: as it was read before, where it is expected to be that."""
        if job.run_id != self._run:
            self._run, self._bytes = job.run_id, 0
            self._kept.clear()
        expected = job.expected_inputs.get(name)
        if name in self._kept and expected is not None:
            data, record = self._kept[name]
            if record.content_hash == expected.content_hash:
                return data, record
        data, record = read(name)
        self._keep(name, data, record)
        return data, record

    def _keep(self, name: str, data: pa.Table, record: InputRecord) -> None:
        former = self._kept.pop(name, None)
        self._bytes -= 0 if former is None else former[0].get_total_buffer_size()
        size = data.get_total_buffer_size()
        while self._kept and self._bytes + size > _KEPT:
            oldest, _ = self._kept.pop(next(iter(self._kept)))
            self._bytes -= oldest.get_total_buffer_size()
        if size <= _KEPT:
            self._kept[name] = data, record
            self._bytes += size


class Workplace(Struct, frozen=True):
    """The storages and the code of one process.

    Attributes:
        folder: The project's, absolute and with links resolved, for its modules.
        storages: By name; also those of another environment from which inputs are read.
        code_ns: When the code was read, nanoseconds since 1970.
        is_unpacked: Whether the folder is a copy, at a worker of a cluster.
        kept: What was read there.
        mask: Takes secrets out of what is written beside data.
    """

    folder: Path
    storages: Mapping[str, AssetStorage]
    code_ns: int
    is_unpacked: bool = False
    kept: KeptInputs | None = None
    mask: Mask = unmasked


_own: list[Workplace] = []


def settle(place: Workplace) -> None:
    """Have this process work at a place, and at no other from now on."""
    _own[:] = [place]


def own_place() -> Workplace:
    """Where this process works, which shares nothing with the one that leads."""
    (place,) = _own
    return place


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
        self._syncing: dict[str, ExitStack] = {}

    def sync_later(self, name: str) -> None:
        """Have a storage wait for the disk when `sync` is called."""
        found = self[name].capability(SyncsLater)
        if found is not None and name not in self._syncing:
            stack = self._syncing[name] = ExitStack()
            stack.enter_context(found.syncing_later())

    def sync(self) -> None:
        """Wait for what was stored meanwhile."""
        while self._syncing:
            self._syncing.popitem()[1].close()

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
