"""The first rows of a stored table that violate its checks, as its manifests have them: of runs that kept no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import UNFINISHED, Manifest
from lakehouse_cli.model.unit import unit_name
from lakehouse_cli.runner.table_results import first_rows
from lakehouse_cli.runs.failed_rows import KeptRows
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.partition_capability import partitions
from lakehouse_cli.text.redaction import Mask, masked


class StoredViolations:
    """What the manifests of a table, or of its partitions, say; nothing where they cannot be read.

    Args:
        open_storage: Gives where it is.
        table: The table.
        mask: Hides secrets.
    """

    def __init__(self, open_storage: Callable[[], AssetStorage], table: Table, mask: Mask) -> None:
        self._mask = mask
        self._hidden = table.contract.sensitive
        self._manifests: dict[str, Manifest] = {}
        if table.kind != "computed" or not table.contract.checks:
            return
        with suppress(LakehouseError):
            storage = open_storage()
            if table.partitions:
                for partition, record in partitions(storage, table).items():
                    name = unit_name(table.name, partition)
                    if record.content_hash != UNFINISHED:
                        self._manifests[name] = record.manifest(name, None)
            elif (manifest := storage.read_manifest(table)) is not None:
                self._manifests[table.name] = manifest

    def beside(self, kept: Mapping[str, KeptRows]) -> dict[str, KeptRows]:
        """The rows that are kept, by name, and the first ones of what a run stored and kept none of, in order."""
        current = {name: each for name, each in kept.items() if not self._is_outdated(each)}
        found = {**self._first(), **current}
        return {name: found[name] for name in sorted(found)}

    def _first(self) -> dict[str, KeptRows]:
        found = {}
        for name, manifest in self._manifests.items():
            if (failed := first_rows(each.without_values(self._hidden).result for each in manifest.checks)) is not None:
                found[name] = KeptRows(name, manifest.run_id, manifest.finished_at, masked(failed, self._mask))
        return found

    def _is_outdated(self, kept: KeptRows) -> bool:
        """Whether rows are of data that a later run replaced, which was killed before it kept those of its own."""
        manifest = self._manifests.get(kept.table)
        return manifest is not None and manifest.run_id != kept.run_id and manifest.finished_at > kept.at
