"""What is wrong with the files of a source, as one error, with all their rows that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, FailedRow, FailedRows, LakehouseError, Violation
from lakehouse_cli.model import Table
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.yaml_text import quote_yaml

if TYPE_CHECKING:
    from lakehouse_cli.contracts.joined_rows import JoinedRows

#: So many files that are not as declared are reported one by one.
REPORTED = 20


class FileFailures:
    """What is wrong with files that are read one after the other; to be closed.

    Rows are numbered through all files, but for those that cannot be read.

    Args:
        table: The source.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._found: list[tuple[str, LakehouseError]] = []
        self._count = 0
        self._joined: JoinedRows | None = None
        self._file = ""
        self._before = self._rows = 0  # rows of the files before this one, and all so far

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return self._count > 0

    def add_rows(self, file: str, rows: int) -> None:
        """Count rows that follow.

        Args:
            file: Theirs, as messages show it.
            rows: How many.
        """
        self._begin(file)
        self._rows += rows

    def add(self, file: str, error: LakehouseError) -> None:
        """Add what is wrong with a file, in which nothing follows."""
        self._begin(file)
        self._count += 1
        if self._count <= REPORTED:
            self._found.append((file, error))
        if isinstance(error, DataError):
            self._keep(file, error)
            self._rows = max(self._rows, self._before + error.rows)

    def _begin(self, file: str) -> None:
        if file != self._file:
            self._file, self._before = file, self._rows

    def _keep(self, file: str, error: DataError) -> None:
        from lakehouse_cli.contracts.hiding import hide_sensitive  # seldom needed
        from lakehouse_cli.contracts.joined_rows import JoinedRows

        hide_sensitive(error, self._table.contract.sensitive, self._table.key)
        failed, error.failed = error.failed or FailedRows.of_examples(error.violations), None
        if failed is not None:
            self._joined = self._joined or JoinedRows(self._table.contract.sensitive)
            self._joined.add(failed, _placing(file, self._before))

    def error(self, total: int) -> LakehouseError:
        """One error of all files that are not as declared, of so many."""
        first = self._found[0][1]
        if total > 1 and first.hint and "header: false" in first.hint:
            first.hint = "write the names of its columns in its first line, or move the file away"
        if self._count < total and isinstance(first, DataError):
            self._offer_optional(first)
        error = first if self._count == 1 else self._of_several(total, first)
        if self._joined is not None and isinstance(error, DataError):
            error.failed, error.rows = self._joined.failed(), self._rows
        return error

    def _offer_optional(self, first: DataError) -> None:
        """Say what to do about a column that other files have, and may be null."""
        lacking = {each.column for each in first.violations if each.check == "missing"} - first.misnamed
        columns = [each for each in self._table.columns or () if each.name in lacking and each.nullable]
        if columns and columns[0].name not in self._table.key:
            written = f"{{type: {quote_yaml(str(columns[0].type))}, optional: true}}"
            first.hint = f"{first.hint}; or `{columns[0].name}: {written}`, where files that lack it have nulls"

    def _of_several(self, total: int, first: LakehouseError) -> DataError:
        violations: list[Violation] = []
        for file, error in self._found:
            of_file = error.violations if isinstance(error, DataError) else ()
            violations += [replace(each, message=f"`{file}`: {each.message}") for each in of_file]
        found = DataError(
            f"{self._count} of {plural(total, 'file')} of `{self._table.name}` are not as declared: {first.message}",
            violations,
            hint=first.hint,
            location=first.location,
        )
        others = [error.message for _, error in self._found[1:] if not getattr(error, "violations", ())]
        if others:
            found.message += f"; {'; '.join(others)}"
        return found

    def close(self) -> None:
        """Remove the rows that were kept, where nobody took them."""
        if self._joined is not None:
            self._joined.close()


def _placing(file: str, before: int) -> Callable[[FailedRow], FailedRow]:
    """Gives rows of a file their numbers among all, and their places."""

    def place(row: FailedRow) -> FailedRow:
        assert row.row is not None  # noqa: S101  # those of files have numbers
        return replace(row, row=before + row.row, file=file, file_row=UNSET if row.line else row.row)

    return place
