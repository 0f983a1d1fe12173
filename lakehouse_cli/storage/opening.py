"""A declared storage → the `AssetStorage` that keeps its tables."""

from __future__ import annotations

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage_types import STORAGE_TYPES


def open_storage(spec: StorageSpec) -> AssetStorage:
    """The storage of a declaration; nothing is connected to before it is used.

    Raises:
        LakehouseError: A package that its type needs is not installed; the hint says what to install.
    """
    storage_type = STORAGE_TYPES[spec.type]
    storage: AssetStorage = load(Entry(storage_type.implementation, storage_type.install))(spec)
    return storage
