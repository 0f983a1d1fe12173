"""Tables, rows and storages for the conformance suite of storages."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.model import Column, Contract, StorageSpec, Table, parse_column_type
from lakehouse_cli.model.stored_version import ManifestId, StoredVersion
from lakehouse_cli.storage.base import AssetStorage, Provenance
from lakehouse_cli.storage.own import make_storage

_Storage = TypeVar("_Storage", bound=AssetStorage)
ORIGIN = Provenance("20260101-000000-abcd", "2026-01-01T00:00:00.000+00:00")


_run_ids = (f"20260101-000000-{number:04x}" for number in itertools.count())


def planned(storage: AssetStorage, declared: Table) -> Provenance:
    """Return the origin of data that a run computes whose plan looks at the table now."""
    manifest = storage.read_manifest(declared)
    content = storage.content(declared, ())
    expected = StoredVersion(content, None if manifest is None else ManifestId.of(manifest))
    return replace(ORIGIN, run_id=next(_run_ids), expected=expected)


def column(name: str, type_name: str) -> Column:
    """Return a declared column by the text of its type."""
    return Column(name, parse_column_type(type_name))


def table(name: str = "table", *columns: Column, path: str | None = None, kind: Any = "computed") -> Table:
    """Return a declared table; of an id and a text where no columns are given."""
    declared = columns or (column("id", "int64"), column("text", "string"))
    return Table(name, kind=kind, path=path or name, contract=Contract(declared))


def data_of(declared: Table, *rows: tuple[Any, ...]) -> pa.Table:
    """Return rows as Arrow with the declared types."""
    columns = declared.columns or ()
    arrays = [pa.array([row[i] for row in rows], to_arrow(c.type)) for i, c in enumerate(columns)]
    return pa.table(arrays, names=[c.name for c in columns])


def csv_of(data: pa.Table) -> bytes:
    """Return rows as CSV, as another program writes it."""
    rows = [",".join(data.column_names), *(",".join(map(str, row.values())) for row in data.to_pylist())]
    return "\n".join(rows).encode()


def storage_of(
    storage_class: type[_Storage], root: str = "", project_folder: Path | None = None, **options: Any
) -> _Storage:
    """Return a storage of one's own as a project makes it: with a root, and its options as attributes.

    Args:
        storage_class: Its class.
        root: Its root.
        project_folder: Of the project, whose local state has what the storage itself cannot keep.
        options: Its options.
    """
    spec = StorageSpec("tested", root, root, connection=options, folder=project_folder)
    return make_storage(storage_class, spec, options)
