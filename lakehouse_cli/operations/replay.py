"""What becomes of rows that were put aside, when their table is computed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import Column, Table
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.runs.events import TableResult
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.text.counts import count_text, plural

if TYPE_CHECKING:
    import pyarrow as pa


class _Before(Struct, frozen=True):
    """What was put aside: how many rows, and their keys; None where the table has no key."""

    rows: int
    keys: list[pa.Table] | None


class Replay:
    """Compares what was put aside before a run with what comes of it.

    Args:
        tables: All, by name.
        storages: By name.
        plan: The plan of the run; nothing of it has begun.
    """

    def __init__(self, tables: Mapping[str, Table], storages: Mapping[str, AssetStorage], plan: Plan) -> None:
        self._tables = tables
        self._storages = storages
        self._aside = {of: name for name, each in tables.items() if (of := each.quarantine_of)}
        states = {each.name: each.state for each in plan.tables}
        self._before: dict[str, _Before] = {}
        for planned in plan.runs:
            if any(reason.code == "replayed" for reason in planned.reasons):
                state = states[self._aside[planned.name]]
                rows = 0 if state is None or state.manifest is None else state.manifest.rows
                self._before[planned.name] = _Before(rows, self._stored_keys(planned.name))

    def amend(self, result: TableResult) -> TableResult:
        """The result of a table, with a note on the rows that had been put aside of it."""
        before = self._before.get(result.name)
        if before is None or result.status != "materialized":
            return result
        return replace(result, notes=(*result.notes, self._note(result.name, before)))

    def _note(self, name: str, before: _Before) -> str:
        of = plural(before.rows, "row")
        if before.keys is None:
            manifest = self._storage(self._aside[name]).read_manifest(self._tables[self._aside[name]])
            now = "none" if manifest is None or not manifest.rows else count_text(manifest.rows)
            return f"{of} had been put aside, {now} now; with a `key`, it would say which of them pass"
        try:
            passing, again = (self._found(each, before.keys) for each in (name, self._aside[name]))
        except LakehouseError as error:
            return f"{of} had been put aside; how many of them pass now is not known: {error.message}"
        text = f"{count_text(passing)} of {of} that had been put aside pass now"
        if again:
            text += f", {count_text(again)} put aside again"
        gone = before.rows - passing - again
        return text + (f", {count_text(gone)} not in the result any more" if gone else "")

    def _stored_keys(self, name: str) -> list[pa.Table] | None:
        """The keys of the rows that are put aside now; None where there is no key, or where they cannot be read."""
        if not self._tables[name].key:
            return None
        try:
            return list(self._keys(self._aside[name], self._tables[name].key))
        except LakehouseError:  # stored with other columns
            return None

    def _keys(self, name: str, key: Sequence[str]) -> Iterator[pa.Table]:
        table = self._tables[name]
        columns: Sequence[Column] | None = [each for each in table.columns or () if each.name in key]
        columns = columns if columns and len(columns) == len(key) else table.columns
        pieces, _ = scan(self._storage(name), table, columns).pieces_with_content(())
        return (piece.select(list(key)) for piece in pieces())

    def _found(self, name: str, keys: Sequence[pa.Table]) -> int:
        """How many of the keys a stored table has."""
        from lakehouse_cli.checks.references import References

        count = start = 0
        key = list(keys[0].column_names)
        with closing(References()) as references:
            references.read([piece.column(each) for each in key] for piece in self._keys(name, key))
            for piece in keys:
                verdict = references.verdict([piece.column(each) for each in key], start)
                count += sum(chunk.true_count for chunk in verdict.chunks)
                start += piece.num_rows
            return count - references.missing()[0]

    def _storage(self, name: str) -> AssetStorage:
        return self._storages[self._tables[name].storage]
