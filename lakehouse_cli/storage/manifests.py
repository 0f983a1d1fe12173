"""Manifests as storages make and read them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Column, Table, parse_column_type
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.base import Origin
from lakehouse_cli.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa


def make_manifest(
    table: Table, data: pa.Table, origin: Origin, *, size: int, content_hash: str, modified_ns: int
) -> Manifest:
    """The manifest of data that were written: `size` bytes with a hash, at a time."""
    from lakehouse_cli.arrow_types import from_arrow

    return Manifest(
        table=table.name,
        columns=tuple((field.name, str(from_arrow(field.type))) for field in data.schema),
        rows=data.num_rows,
        bytes=size,
        content_hash=content_hash,
        modified_ns=modified_ns,
        run_id=origin.run_id,
        started_at=origin.started_at,
        finished_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        tool_version=__version__,
        recipe=origin.recipe,
        inputs=origin.inputs,
        packages=_packages(),
        memory_bytes=origin.memory_bytes,
    )


def parse_manifest(text: str, name: str) -> Manifest:
    """A manifest as it is stored.

    Raises:
        StorageError: It is none, or one of a newer version.
    """
    try:
        return Manifest.from_text(text)
    except ValueError as error:
        raise StorageError(
            f"the manifest of `{name}` cannot be used: {error}",
            hint="materializing the table again replaces it",
        ) from error


def columns_of(manifest: Manifest, declared: Sequence[Column] | None) -> tuple[Column, ...]:
    """The stored columns as a manifest tells, the declared ones as they are declared."""
    known = {column.name: column for column in declared or ()}
    return tuple(known.get(name) or Column(name, parse_column_type(text)) for name, text in manifest.columns)


@cache
def _packages() -> dict[str, str]:
    """Versions of what shapes data on their way, as far as it is loaded."""
    loaded = ((name, sys.modules.get(name)) for name in ("numpy", "pandas", "polars", "pyarrow"))
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, **{name: module.__version__ for name, module in loaded if module is not None}}
