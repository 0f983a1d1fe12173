"""Files that carry their own types: converted to the declared columns when read, to storable types when written.

A stored type that is not the declared one is fine as long as every value is the same in both. Text is never taken
for anything else here: a number that is stored as text is a schema that drifted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.domains import validate_structure
from lakehouse_cli.arrow.conversion.exact import convert, kind_of
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, InexactError, examples_of, shown_values, true_rows
from lakehouse_cli.arrow.conversion.refusals import convert_or_refuse
from lakehouse_cli.arrow.extensions import is_uuid, without_extensions
from lakehouse_cli.arrow.types import from_arrow, plain_type, to_arrow
from lakehouse_cli.errors import HIDDEN, KEPT_ROWS, DataError, Example, FailedRows, Location, StorageError, Violation
from lakehouse_cli.formats.missing_columns import missing_columns
from lakehouse_cli.model import Column
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.invisible import visible

if TYPE_CHECKING:
    from lakehouse_cli.violating_rows.writing import ViolatingRows

# Rows of which those with values that do not fit are written at once.
_AT_ONCE = 1 << 16
# How Arrow has Parquet's INTERVAL, and what to do about one.
_INTERVAL_BYTES = pa.binary(12)
_INTERVAL = (
    "these are months, days and milliseconds, as DuckDB's INTERVAL is stored: "
    "write `epoch(…)` of it in its place, and declare the column as float64"
)
_ENCRYPTED = re.compile("(?i)(?:en|de)crypt")


@contextmanager
def report_damage(name: str, what: str, hint: str = "write or fetch it again, or correct `format:`") -> Iterator[None]:
    """Translate what Arrow raises for bytes that it cannot read into an error of that file."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        if getattr(error, "errno", None) is not None:
            raise  # the operating system's, which the storage reports
        reason = _reason(error)
        message = f"`{name}` is not {what}, or is damaged: {reason}"
        if _ENCRYPTED.search(reason):
            message, hint = f"`{name}` is encrypted", "have it written without encryption"
        elif isinstance(error, pa.ArrowNotImplementedError):
            message = f"`{name}` holds a column of a type that pyarrow cannot read: {reason}"
            hint = (
                "have it written in another type, such as decimal128 for the 128-bit integers of polars;"
                " until then pyarrow reads no column of the file, whichever are declared"
            )
        raise StorageError(message, hint=hint, location=Location(name)) from error


def check_whole(table: pa.Table, name: str) -> None:
    """Check that a table as it was read is one: Arrow's readers trust offsets, texts and names.

    Raises:
        StorageError: Bytes for text that are none.
        ArrowInvalid: Offsets that lead out of their buffers.
        UnicodeDecodeError: A name that is no text.
    """
    str(table.schema)
    for column, values in zip(table.column_names, table.columns, strict=True):
        with in_column(column, name):
            validate_structure(values)


@contextmanager
def in_column(column: str, name: str) -> Iterator[None]:
    """Name the column in what Arrow raises.

    Raises:
        StorageError: It is encrypted, of a type or size that Arrow cannot read, or of bytes that are no text.
        ArrowInvalid: Anything else, which is damage.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        reason, owner = _reason(error), f"column `{column}` of `{name}`"
        if "UTF8" in reason:
            message, hint = f"{owner} holds text that is not UTF-8", "have its texts written in UTF-8, or as binary"
        elif _ENCRYPTED.search(reason):
            message, hint = f"{owner} is encrypted", "have it written without encryption"
        elif isinstance(error, pa.ArrowNotImplementedError | pa.ArrowCapacityError):
            message, hint = f"{owner} is more than pyarrow can read: {reason}", "have it written in another type"
        else:
            raise pa.ArrowInvalid(f"column `{column}`: {reason}") from error
        hint += ", or declare the columns to read, without this one"
        raise StorageError(message, hint=hint, location=Location(name)) from error


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def wanted_names(
    stored: Sequence[str],
    columns: Sequence[Column] | None,
    name: str,
    twice: str = "rename all but one of them where the file is written",
    *,
    headed: bool = False,
    nameless: int | None = None,
) -> list[str]:
    """List the names of the columns to read, in the order of the result.

    Args:
        stored: Names of the columns in the file.
        columns: As declared; None for all.
        name: The file as messages show it.
        twice: What to do where two columns have one name.
        headed: As of `missing_columns`.
        nameless: The same.

    Raises:
        DataError: Columns that are missing.
        StorageError: A name that two columns have.
    """
    wanted = list(stored) if columns is None else [str(column.from_ or column.name) for column in columns]
    missing = [column for column in columns or () if (column.from_ or column.name) not in set(stored)]
    if missing:
        raise missing_columns(name, missing, stored, columns, headed=headed, nameless=nameless)
    for each in dict.fromkeys(wanted):
        count = stored.count(each)
        if count > 1:
            raise StorageError(
                f"`{name}` has {count_text(count)} columns named `{each}`",
                hint=twice,
                location=Location(name),
            )
    return wanted


def read_declared(
    stored: Sequence[str], columns: Sequence[Column] | None, name: str, read: Callable[[list[str]], pa.Table]
) -> pa.Table:
    """As `read_declared_pieces`, of one piece that is all there is."""
    [table] = read_declared_pieces(stored, columns, name, lambda wanted: [read(wanted)])
    return table


def read_declared_pieces(
    stored: Sequence[str],
    columns: Sequence[Column] | None,
    name: str,
    read: Callable[[list[str]], Iterable[pa.Table]],
) -> Iterator[pa.Table]:
    """Read the stored columns in their declared types, exactly.

    Args:
        stored: Names of the columns in the file.
        columns: As declared; None for all, in types of the project file that hold all there is.
        name: The file as messages show it.
        read: Reads columns by name, in the given order, piece by piece.

    Raises:
        DataError: Columns that are missing, stored types that drifted from the declared ones and values that do not
            fit: all of them, behind the last piece.
        StorageError: A name that two columns have; bytes that cannot be read.
    """
    missing = [column for column in columns or () if column.name not in set(stored)]
    if missing and len(missing) == len(columns or ()):
        raise missing_columns(name, missing, stored, columns)
    present = None if columns is None else [column for column in columns if column.name in set(stored)]
    wanted, misfits = wanted_names(stored, present, name), Misfits(name)
    with closing(misfits):
        for table in read(wanted):
            done = _in_declared_types(table, present if present is not None else [None] * table.num_columns, misfits)
            if done is not None and not missing:
                yield done
        lacking = missing_columns(name, missing, stored, columns) if missing else None
        drift = misfits.error()
        if lacking is not None and drift is not None:
            raise _both(lacking, drift)
        if wrong := lacking or drift:
            raise wrong


def _in_declared_types(table: pa.Table, declared: Sequence[Column | None], misfits: Misfits) -> pa.Table | None:
    """Convert a piece; None where it, or one before it, has what does not fit."""
    done: list[pa.ChunkedArray] = []
    for field, values, column in zip(table.schema, table.columns, declared, strict=True):
        as_stored = _plain(values, column)
        target = _target(as_stored.type, column, field.name, misfits.name)
        if as_stored.null_count < len(as_stored) and _text_became(as_stored.type, target):
            misfits.add(InexactError(""), field.name, as_stored, column, target)
            continue
        converted, refusals = convert_or_refuse(partial(convert, target=target), as_stored)
        if converted is not None:
            done.append(converted)
        for refusal in refusals:
            misfits.add(refusal, field.name, as_stored, column, target)
    misfits.end_piece(table.num_rows)
    if misfits.found:
        return None
    schema = pa.schema([pa.field(field.name, each.type) for field, each in zip(table.schema, done, strict=True)])
    return pa.Table.from_arrays(done, schema=schema)


def _plain(values: pa.ChunkedArray, column: Column | None) -> pa.ChunkedArray:
    """Without extension types, which say what the values mean but not what they are; UUIDs are text."""
    if column is not None and column.type.id == "binary" and is_uuid(values.type):
        return pa.chunked_array([chunk.storage for chunk in values.chunks], values.type.storage_type)
    return without_extensions(values)


def _target(stored: pa.DataType, column: Column | None, name: str, file: str) -> pa.DataType:
    if column is not None:
        return to_arrow(column.type)
    known = from_arrow(stored)
    if known is None and pa.types.is_decimal256(stored) and 0 <= stored.scale <= stored.precision:
        # Few numbers have so many digits; those that do are refused.
        return pa.decimal128(38, min(stored.scale, 38))
    if known is None:
        raise DataError(
            f"column `{name}` of `{file}` is stored as {stored}, for which the project file has no name",
            hint="declare the columns to read, without this one",
            location=Location(file),
        )
    return to_arrow(known)


def _text_became(stored: pa.DataType, target: pa.DataType) -> bool:
    """Whether text would be taken for something else, at whatever depth."""
    stored, target = plain_type(stored), plain_type(target)
    here, there = kind_of(stored), kind_of(target)
    if here == there == "list":
        return _text_became(stored.value_type, target.value_type)
    if here == there == "map":
        return _text_became(stored.key_type, target.key_type) or _text_became(stored.item_type, target.item_type)
    if here == there == "struct":
        fields = {field.name: field.type for field in stored}
        return any(child.name in fields and _text_became(fields[child.name], child.type) for child in target)
    return here == "text" and there != "text"


class _Misfit:
    """What does not fit in one column, in however many pieces."""

    def __init__(self, refusal: InexactError, stored: pa.DataType, column: Column | None, number: int) -> None:
        self.refusal, self.number = refusal, number
        self.types = f"stored as {from_arrow(stored) or stored}" + (f", declared {column.type}" if column else "")
        self.location = column.location if column else None
        self.is_hidden = column is not None and column.sensitive
        self.count = 0
        self.examples: list[Example] = []

    def violation(self, name: str, rows: int) -> tuple[str, Violation]:
        """How the column differs, and the violation, of so many rows in all."""
        subject = f"column `{visible(name)}`: {self.types}"
        if self.refusal.rows is None:
            return self.types, Violation(name, "type", self.count, subject, tuple(self.examples), self.location)
        found = self.refusal.found(self.count)
        message = f"{subject}; {found}, of {plural(rows, 'row')}"
        return f"{self.types}, and holds {found}", Violation(
            name, "type", self.count, message, tuple(self.examples), self.location
        )


def _texts(refusal: InexactError, stored: pa.ChunkedArray, rows: list[int]) -> Sequence[str | None]:
    """The values of some rows that were refused; None where the column cannot show one."""
    if refusal.shown is None:
        return shown_values(stored, rows)
    refused = true_rows(stored.is_valid()) if refusal.rows is None else refusal.rows
    shown = dict(zip(refused[: len(refusal.shown)].to_pylist(), refusal.shown, strict=False))
    return list(map(shown.get, rows))


class Misfits:
    """Columns whose values have no counterpart in the declared types, as they are found piece by piece; to be closed.

    All their rows are kept.

    Attributes:
        name: The file as messages show it.
        rows: How many were read.
        found: What does not fit, by column and why.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = 0
        self.found: dict[tuple[str, str], _Misfit] = {}
        self._as_declared = self._has_name = True
        self._is_interval = False
        self._every: ViolatingRows | None = None
        self._latest: list[tuple[_Misfit, str, Any, InexactError, pa.ChunkedArray]] = []

    def add(
        self, refusal: InexactError, name: str, stored: pa.ChunkedArray, column: Column | None, target: pa.DataType
    ) -> None:
        """Add what was refused of a column in the piece at hand."""
        from lakehouse_cli.violating_rows.writing import ViolatingRows  # seldom needed

        if not self.found:
            self._every = ViolatingRows.here(())
        misfit = self.found.setdefault((name, refusal.quality), _Misfit(refusal, stored.type, column, len(self.found)))
        more = KEPT_ROWS - len(misfit.examples)
        count, examples = examples_of(refusal, stored, more)
        if self._every is not None:
            rows = true_rows(stored.is_valid()) if refusal.rows is None else refusal.rows
            self._latest.append((misfit, name, av.to_numpy(rows).astype(np.int64), refusal, stored))
        misfit.count += count
        misfit.examples += [each if each.row is None else replace(each, row=self.rows + each.row) for each in examples]
        self._as_declared = self._as_declared and stored.type == target
        self._has_name = self._has_name and from_arrow(stored.type) is not None
        self._is_interval = self._is_interval or (pa.types.is_duration(target) and stored.type == _INTERVAL_BYTES)

    def end_piece(self, rows: int) -> None:
        """Keep what was found in a piece of so many rows."""
        from lakehouse_cli.violating_rows.writing import Cells

        for start in range(0, rows, _AT_ONCE) if self._latest else ():
            found = []
            for misfit, name, every, refusal, stored in self._latest:
                some = every[slice(*np.searchsorted(every, (start, start + _AT_ONCE)))]
                if len(some):
                    values = [HIDDEN] * len(some) if misfit.is_hidden else _texts(refusal, stored, some.tolist())
                    found.append(Cells(misfit.number, name, some + self.rows + 1, values, [None] * len(some)))
            if self._every is not None and found:
                self._every.add_cells(found)
        self._latest.clear()
        self.rows += rows

    def close(self) -> None:
        """Remove the rows that were kept, where nobody took them."""
        if self._every is not None:
            self._every.close()

    def error(self) -> DataError | None:
        """What to raise; None where everything fits."""
        if not self.found:
            return None
        found = [misfit.violation(name, self.rows) for (name, _), misfit in self.found.items()]
        violations = [violation for _, violation in found]
        difference, first = found[0]
        count = len({name for name, _ in self.found}) - 1
        others = f"; {plural(count, 'more column')} differ" if count > 1 else ""
        others = "; 1 more column differs" if count == 1 else others
        if self._is_interval:
            hint = _INTERVAL
        elif not self._has_name:
            hint = "have the file written in a type that can be declared, such as string, or declare the others alone"
        elif self._as_declared:
            hint = "have the file written again, in a type that has these values"
        else:
            hint = "declare the stored type and convert it in a transform, or have the file written as declared"
        error = DataError(
            f"column `{first.column}` of `{self.name}` is {difference}{others}",
            [replace(each, examples=each.examples[:EXAMPLES]) for each in violations],
            hint=hint,
            location=Location(self.name),
        )
        error.failed, error.rows = FailedRows.of_examples(violations), self.rows
        if self._every is not None:
            error.failed = self._every.complete(error.failed, [each.message for each in violations])
        return error


def _both(lacking: DataError, drift: DataError) -> DataError:
    error = DataError(
        f"{lacking.message}, and {drift.message}",
        [*lacking.violations, *drift.violations],
        hint=f"{lacking.hint}; {drift.hint}",
        location=lacking.location,
    )
    error.failed, error.rows = drift.failed, drift.rows
    return error


def storable(table: pa.Table, what: str) -> pa.Table:
    """Convert a table to types the project file can name (large_string to string, and so on), without metadata.

    Raises:
        StorageError: Column names that are empty or there twice; a type that has no name.
    """
    schema = _storable_schema(table.schema, what)
    return table if table.schema.equals(schema, check_metadata=True) else in_types_of_file(table, what, schema.types)


@lru_cache(maxsize=256)
def _storable_schema(given: pa.Schema, what: str) -> pa.Schema:
    _check_names(given.names, what)
    types = []
    for name, kind in zip(given.names, given.types, strict=True):
        known = from_arrow(kind)
        if known is None:
            raise StorageError(
                f"column `{name}` is {kind}, which {what} cannot hold",
                hint="convert it to a type of the project file, such as string or decimal128(38, 9)",
            )
        types.append(to_arrow(known))
    return pa.schema(list(zip(given.names, types, strict=True)))


def _check_names(names: Sequence[str], what: str) -> None:
    if not names:
        raise StorageError(f"a table without columns cannot be written as {what}", hint="return at least one column")
    if "" in names:
        raise StorageError(
            f"column {count_text(names.index('') + 1)} of {count_text(len(names))} has an empty name",
            hint="name it, or leave it out",
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise StorageError(f"column name `{twice}` is there twice", hint="rename one of them")


def in_types_of_file(table: pa.Table, what: str, types: Sequence[pa.DataType], first_row: int = 0) -> pa.Table:
    """Convert the columns of some rows to the types that a file has for them.

    Args:
        table: Some rows of a table.
        what: The kind of file, for messages.
        types: Of the columns in the file.
        first_row: The 0-based number of the first of these rows, for messages.

    Raises:
        StorageError: A value that the file cannot hold, with its column and row.
    """
    columns = []
    for name, values, target in zip(table.column_names, table.columns, types, strict=True):
        try:
            columns.append(values if values.type == target else convert(values, target))
        except InexactError as refusal:
            row = first_row + refusal.rows[0].as_py() + 1 if refusal.rows is not None and len(refusal.rows) else None
            raise StorageError(
                f"column `{name}`{f', row {row}' if row else ''}: {what} cannot hold a value that is {refusal.quality}",
                hint="choose another type for the column, or another format",
            ) from refusal
    schema = pa.schema([pa.field(name, each) for name, each in zip(table.column_names, types, strict=True)])
    return pa.Table.from_arrays(columns, schema=schema)
