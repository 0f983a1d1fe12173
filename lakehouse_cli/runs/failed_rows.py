"""The rows that broke a contract when their table ran last, kept for `lakehouse show TABLE --failed`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, FailedRows, LakehouseError, WrittenRows
from lakehouse_cli.runs.local_state import keep, kept, state_folder, with_hash
from lakehouse_cli.text.clock import now_text
from lakehouse_cli.text.redaction import Mask, masked

_FOLDER = "failed"


def new_rows(project: Path, environment: str, run_id: str) -> Path:
    """What the paths of files begin with in which a run keeps rows until it is known what of them stays."""
    return state_folder(project, _FOLDER) / f"new@{environment}@{run_id}@"


def unfinished_rows(project: Path) -> Iterator[tuple[Path, str]]:
    """Files in which a run keeps rows, or kept them until it was killed, each with its environment."""
    with suppress(OSError):
        for path in sorted(state_folder(project, _FOLDER).iterdir()):
            parts = path.name.removeprefix("new@").rsplit("@", 2)
            if path.name.startswith("new@") and len(parts) == 3 and path.is_file():  # as `new_rows` has
                yield path, parts[0]


class KeptRows(Struct, frozen=True):
    """The rows of one table that broke its contract.

    Attributes:
        table: The table, or partition.
        run_id: The run in which they did.
        at: When, ISO 8601 in UTC.
        failed: The rows, secrets masked.
        file: Of all of them; None where there are no others, or they are not kept.
    """

    table: str
    run_id: str
    at: str
    failed: FailedRows
    file: str | None = None

    @property
    def partition(self) -> dict[str, str]:
        """The partition whose they are, value by dimension; empty for a table as a whole."""
        pairs = (each.partition("=") for each in self.table.split("/")[1:])
        return {name: unquote(value) for name, _, value in pairs}


class FailedRowsStore:
    """Keeps the rows of each table of an environment until the table runs again."""

    def __init__(self, folder: Path, environment: str, mask: Mask) -> None:
        self._folder = folder
        self._kept = state_folder(folder, _FOLDER)
        self._environment = environment
        self.mask = mask
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
        if failed.written is not None:
            failed = replace(failed, written=self._moved(failed.written, table))
        else:
            with suppress(OSError):
                (self._kept / f"{self._name(table)}.rows").unlink()
        with suppress(UnicodeEncodeError):
            document = KeptRows(table, run_id, now_text(), masked(failed, self.mask))
            self._there = None
            keep(self._folder, _FOLDER, self._file(table), with_hash(document))
        return failed

    def _moved(self, written: WrittenRows, table: str) -> WrittenRows | None:
        """The same of a file in its place, which has no secrets; None where it cannot be there."""
        file = Path(written.file)
        try:
            file.replace(self._kept / f"{self._name(table)}.rows")
        except OSError:
            file.unlink(missing_ok=True)
            return None
        return replace(written, file="")

    def new_rows(self, run_id: str) -> Path:
        """As the function of this name."""
        return new_rows(self._folder, self._environment, run_id)

    def read(self, table: str) -> KeptRows | None:
        """Return the rows that are kept of a table; None for none."""
        found = kept(self._folder, _FOLDER, self._file(table), KeptRows)
        rows = self._kept / f"{self._name(table)}.rows"
        if found is None or found.failed.written is None or not rows.is_file():
            return found
        return replace(found, file=str(rows))

    def _forget(self, table: str) -> None:
        # Nobody else writes those of this environment while a run holds its lock.
        if self._there is None:
            self._there = set()
            with suppress(OSError):
                self._there.update(path.name for path in self._kept.iterdir())
        if not self._there:
            return
        for file in (self._file(table), f"{self._name(table)}.rows"):
            if file in self._there:
                self._there.discard(file)
                with suppress(OSError):
                    (self._kept / file).unlink()

    def end(self) -> None:
        """Remove the rows that were kept in vain, by this run or by one that was killed."""
        with suppress(OSError):
            for path, environment in unfinished_rows(self._folder):
                if environment == self._environment:
                    path.unlink(missing_ok=True)

    def partitions(self, table: str) -> list[str]:
        """The partitions of a table of which rows are kept, by name."""
        begin, end = quote(f"{table}/", safe=""), f"@{self._environment}.json"
        with suppress(OSError):
            names = sorted(path.name for path in self._kept.iterdir())
            return [unquote(each.removesuffix(end)) for each in names if each.startswith(begin) and each.endswith(end)]
        return []

    def _file(self, table: str) -> str:
        return f"{self._name(table)}.json"

    def _name(self, table: str) -> str:
        return f"{quote(table, safe='')}@{self._environment}"  # the name of a partition has slashes
