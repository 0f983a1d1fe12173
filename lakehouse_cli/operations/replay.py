"""What becomes of rows that were put aside, when their table is computed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import Column
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.runs.events import ReplayedRows, TableResult
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.partition_capability import partitions
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.text.counts import count_text, plural

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.plan.snapshot import StoredEnvironment


class _Before(Struct, frozen=True):
    """What was put aside: how many rows, and their keys, or why these cannot be read; None where there is no key."""

    rows: int
    keys: list[pa.Table] | LakehouseError | None


def _note(found: ReplayedRows, trouble: str | None) -> str:
    of = plural(found.rows, "row")
    if trouble is not None:
        return f"{of} had been put aside; how many of them pass now is not known: {trouble}"
    if found.passed is None:
        now = count_text(found.quarantined) if found.quarantined else "none"
        return f"{of} had been put aside, {now} now; with a `key`, it would say which of them pass"
    text = f"{count_text(found.passed)} of {of} that had been put aside pass now"
    if found.again:
        text += f", {count_text(found.again)} put aside again"
    return text + (f", {count_text(found.gone)} not in the result any more" if found.gone else "")


class Replay:
    """Compares what was put aside before a run with what comes of it.

    Args:
        stored: The environment.
        plan: The plan of the run; nothing of it has begun.
    """

    def __init__(self, stored: StoredEnvironment, plan: Plan) -> None:
        self._stored, self._tables = stored, stored.tables
        self._aside = {of: name for name, each in stored.tables.items() if (of := each.quarantine_of)}
        self._before: dict[str, _Before] = {}
        for planned in plan.runs:
            if any(reason.code == "replayed" for reason in planned.reasons):
                rows = 0
                with suppress(LakehouseError):  # it is computed anew
                    rows = self._rows(planned.name)
                self._before[planned.name] = _Before(rows, self._stored_keys(planned.name))

    def amend(self, result: TableResult) -> TableResult:
        """The result of a table, with a note on the rows that had been put aside of it."""
        before = self._before.get(result.name)
        if before is None or result.status != "materialized":
            return result
        name, aside = result.name, self._aside[result.name]
        found, trouble = ReplayedRows(before.rows), None
        try:
            found = replace(found, quarantined=self._rows(name))
            if isinstance(before.keys, LakehouseError):
                raise before.keys
            if before.keys is not None:
                passed, again = (self._found(each, before.keys) for each in (name, aside))
                found = replace(found, passed=passed, again=again, gone=before.rows - passed - again)
        except LakehouseError as error:
            trouble = error.message
        return replace(result, replayed=found, notes=(*result.notes, _note(found, trouble)))

    def _rows(self, name: str) -> int:
        """How many rows of a table are put aside now."""
        aside = self._tables[self._aside[name]]
        storage = self._storage(aside.name)
        if aside.is_many_units:
            return sum(record.rows for record in partitions(storage, aside).values())
        manifest = storage.read_manifest(aside)
        return 0 if manifest is None else manifest.rows

    def _stored_keys(self, name: str) -> list[pa.Table] | LakehouseError | None:
        """As of `_Before`."""
        aside, key = self._aside[name], self._tables[name].key
        if not key:
            return None
        try:
            return self._stored.snapshot((aside,)).states[aside].other_form or list(self._keys(aside, key))
        except LakehouseError as error:
            return error

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
        return self._stored.storages[self._tables[name].storage]
