"""What decides how a table comes out: its code, contract, params and options, as one value to compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xxhash

from lakehouse_cli.fingerprints import CodeFingerprint
from lakehouse_cli.graph import AssetGraph
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.manifest import ColumnRecord, Recipe


def recipe_of(graph: AssetGraph, table: Table, code: CodeFingerprint | None, storage: StorageSpec) -> Recipe:
    """The recipe of a computed table.

    Args:
        graph: For which table goes into which parameter.
        table: A computed table.
        code: Fingerprint of its transform; not looked at where the table has a `version`.
        storage: Its storage.
    """
    contract = None
    if table.columns is not None:
        contract = tuple(ColumnRecord(c.name, str(c.type), c.nullable) for c in table.columns)
    if table.version is not None:
        hash_, parts = f"version:{table.version}", {}
    elif code is not None:
        hash_, parts = code.hash, dict(code.parts)
    else:
        hash_, parts = "", {}
    return Recipe(
        code=hash_,
        code_parts=parts,
        contract=contract,
        key=tuple(table.key),
        extra_columns=table.extra_columns,
        params={name: json_text(value) for name, value in table.params.items()},
        # Options may hold what came from the environment: only their fingerprint is kept.
        storage=xxhash.xxh3_64_hexdigest(json_text([table.format or storage.type, table.options]).encode()),
        inputs=tuple(f"{edge.parameter or '*'}: {edge.table}" for edge in graph.inputs.get(table.name, ())),
    )


def json_text(value: Any) -> str:
    """A value as JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)
