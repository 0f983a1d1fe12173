"""The rows that broke a contract when their table ran last, kept for `lakehouse show TABLE --failed`."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from msgspec import Struct

from lakehouse_cli.errors import DataError, FailedRows, LakehouseError
from lakehouse_cli.runs.local_state import keep, kept, state_folder, with_hash
from lakehouse_cli.text.redaction import Mask, masked

_FOLDER = "failed"


class KeptRows(Struct, frozen=True):
    """The rows of one table that broke its contract.

    Attributes:
        table: The table.
        run_id: The run in which they did.
        at: When, ISO 8601 in UTC.
        failed: The rows, secrets masked.
    """

    table: str
    run_id: str
    at: str
    failed: FailedRows


class FailedRowsStore:
    """Keeps the rows of each table of an environment until the table runs again."""

    def __init__(self, folder: Path, environment: str, mask: Mask) -> None:
        self._folder = folder
        self._kept = state_folder(folder, _FOLDER)
        self._environment = environment
        self._mask = mask
        # Names of the files that are kept; None before they were first asked for.
        self._there: set[str] | None = None

    def replace(self, table: str, run_id: str, error: LakehouseError | None) -> FailedRows | None:
        """Keep the rows of an error in the place of those kept before; returns what is kept, None for nothing.

        Args:
            table: The table.
            run_id: The run.
            error: Of the table; None where it did not fail.
        """
        failed = (error.failed or FailedRows.of_examples(error.violations)) if isinstance(error, DataError) else None
        if failed is None:
            self._forget(table)
            return None
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with suppress(UnicodeEncodeError):
            document = KeptRows(table, run_id, at, masked(failed, self._mask))
            self._there = None
            keep(self._folder, _FOLDER, self._file(table), with_hash(document))
        return failed

    def read(self, table: str) -> KeptRows | None:
        """Return the rows that are kept of a table; None for none."""
        return kept(self._folder, _FOLDER, self._file(table), KeptRows)

    def _forget(self, table: str) -> None:
        # Nobody else writes those of this environment while a run holds its lock.
        if self._there is None:
            self._there = set()
            with suppress(OSError):
                self._there.update(path.name for path in self._kept.iterdir())
        file = self._file(table)
        if file in self._there:
            self._there.discard(file)
            with suppress(OSError):
                (self._kept / file).unlink()

    def partitions(self, table: str) -> list[str]:
        """The partitions of a table of which rows are kept, by name."""
        begin, end = quote(f"{table}/", safe=""), f"@{self._environment}.json"
        with suppress(OSError):
            names = sorted(path.name for path in self._kept.iterdir())
            return [unquote(each.removesuffix(end)) for each in names if each.startswith(begin) and each.endswith(end)]
        return []

    def _file(self, table: str) -> str:
        return f"{quote(table, safe='')}@{self._environment}.json"  # the name of a partition has slashes
