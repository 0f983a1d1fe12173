"""Objects to columns: every value exactly as declared, and of those that do not fit, all are counted and some shown."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from math import isfinite
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.conversion.python_values import infer_values
from lakehouse_cli.arrow.conversion.refusal import InexactError, violation_of
from lakehouse_cli.arrow.types import plain_type, to_arrow
from lakehouse_cli.errors import DataError, Location
from lakehouse_cli.formats.csv.nested import BAD, JsonNumber, build_values, explain_number
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.jsonl.fast import read_fast
from lakehouse_cli.formats.jsonl.lines import DECODER, Opened
from lakehouse_cli.formats.misfits import LONGEST, ColumnReading, UnfitRows, table_of, unfit_values
from lakehouse_cli.formats.missing_columns import missing_columns
from lakehouse_cli.model import Column
from lakehouse_cli.text.abbreviation import cut_end

_ROWS = 1 << 13
# A float64 keeps fifteen decimal digits whatever they are.
_SAFE_DIGITS = 15


def read_declared(opened: Opened, columns: Sequence[Column], cells: Sequence[CsvOptions]) -> pa.Table:
    """Read the declared columns of a file, in bounded memory beside the result.

    A name that an object lacks is null, like one whose value is null; a name that all of them lack is an error.

    Args:
        opened: The file.
        columns: What to read, in the order of the result.
        cells: How the values of each column are spelled, of `cell_options`.
    """
    fast = read_fast(opened, columns, cells)
    if fast is not None:
        return fast
    [table] = read_carefully(opened, columns, cells, None)
    return table


def read_carefully(
    opened: Opened, columns: Sequence[Column], cells: Sequence[CsvOptions], at_once: int | None
) -> Iterator[pa.Table]:
    """Read what `read_declared` does, object by object, in pieces of so many rows and one more; in one for None.

    What is wrong is raised behind the last row; once a value does not fit, no more pieces come.
    """
    readings = [
        ColumnReading(column.name, to_arrow(column.type), column, options=spelled)
        for column, spelled in zip(columns, cells, strict=True)
    ]
    rows = waiting = 0
    names: dict[str, None] = {}
    with closing(UnfitRows(lambda _, misfit: _shown(misfit[1]))) as unfit:
        for batch in _batches(opened.objects(DECODER)):
            for reading in readings:
                _add(reading, batch, rows + 1)
            unfit.end_piece(readings)
            rows += len(batch)
            waiting += len(batch)
            if at_once is not None and waiting >= at_once and not any(reading.count for reading in readings):
                yield table_of(readings)
                waiting = 0
                for reading in readings:
                    reading.chunks.clear()
            if not all(reading.name in names for reading in readings):
                names.update((name, None) for _, each in batch for name in each)
        missing = [column for column in columns if column.name not in names]
        if rows and missing:
            reason, otherwise = f"no {opened.unit} has such a name", "its objects are empty"
            there = list(names)
            raise missing_columns(
                opened.name, missing, there, columns, reason=reason, called="names", otherwise=otherwise
            )
        if any(reading.count for reading in readings):
            raise unfit_values(opened.name, readings, rows, unfit, explain=_reason)
    yield table_of(readings)


def _add(reading: ColumnReading, objects: Sequence[tuple[int, dict[str, Any]]], first_row: int) -> None:
    """Add the values of some rows, the first of which has the 1-based number `first_row`."""
    parsed = [each.get(reading.name) for _, each in objects]
    taken = [_as_text(value) for value in parsed] if _is_text(reading.type) else parsed
    values, good = build_values(taken, reading.type, reading.options)
    misfits = () if good is None else (~good).nonzero()[0]
    reading.add(values, misfits, lambda rows: [(first_row + at, parsed[at], objects[at][0]) for at in rows.tolist()])


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(plain_type(kind)))


def _as_text(value: Any) -> Any:
    """The JSON text of an object or a list, with its numbers as they are written; other values as they are."""
    if type(value) not in (dict, list) or _holds_no_json(value):
        return value
    return _json(value, ",", ":")


def _holds_no_json(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_holds_no_json, value.values() if isinstance(value, dict) else value))
    return isinstance(value, JsonNumber) and not value[-1].isdigit()


def _batches(objects: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    while batch := list(itertools.islice(objects, _ROWS)):
        yield batch


def _reason(reading: ColumnReading) -> tuple[str, str, str]:
    """Why the first value does not fit, the same of all that do not, and what to do next."""
    first = reading.examples[0][1]
    why, hint = explain_number(first, reading.type, reading.options) or ("", _hint(reading, reading.options))
    return why, why, hint


def _hint(reading: ColumnReading, cells: CsvOptions) -> str:
    from lakehouse_cli.formats.csv.hints import shared_hint

    t, kind, values = pa.types, reading.type, [value for _, value, _ in reading.examples]
    value = values[0]
    has_spellings = not (t.is_nested(kind) or t.is_boolean(kind)) and all(isinstance(each, str) for each in values)
    hint = shared_hint(values, kind, cells) if has_spellings else None
    if hint is not None:
        return hint
    if t.is_timestamp(kind):
        if isinstance(value, JsonNumber):
            return (
                "a bare number says no unit: declare int64, or set `epoch_unit` in the options if it counts from 1970"
            )
        example = f"2026-01-31T12:00:00{'Z' if kind.tz else ''}"
        return f'ISO 8601 is expected, as "{example}": write it so, and null for none; or declare the column as string'
    if t.is_string(kind):
        return "text stands in quotes; declare another type where numbers are meant"
    return "correct the file, or declare another type"


def _shown(value: Any) -> str:
    """A parsed value as the file has it, cut where it is long."""
    return cut_end(_json(value), LONGEST)


def _json(value: Any, comma: str = ", ", colon: str = ": ") -> str:
    if isinstance(value, JsonNumber):
        return str(value)
    if isinstance(value, list):
        return f"[{comma.join(_json(each, comma, colon) for each in value)}]"
    if isinstance(value, dict):
        fields = (f"{_json(name)}{colon}{_json(each, comma, colon)}" for name, each in value.items())
        return "{" + comma.join(fields) + "}"
    return "null" if value is BAD else json.dumps(value, ensure_ascii=False)


def read_undeclared(opened: Opened, left_out: dict[str, str] | None = None) -> pa.Table:
    """Read all columns of a file, in the order in which their names appear, with types that lose nothing.

    Whole numbers are int64 (uint64 where they must), others float64, or decimal128 where a float would not keep their
    digits; texts stay text. All values are in memory at once.

    Args:
        opened: The file.
        left_out: Takes the columns whose values have no type in common, with what they hold; these are null then.

    Raises:
        DataError: There is such a column, and nothing takes it; or there are no others.
        StorageError: A line that is not a JSON object, or a file that is not whole.
    """
    columns: dict[str, list[Any]] = {}
    lines = []
    decoder = json.JSONDecoder(parse_float=_float, parse_constant=float, object_pairs_hook=DECODER.object_pairs_hook)
    for row, (line, each) in enumerate(opened.objects(decoder)):
        lines.append(line)
        for name, value in each.items():
            values = columns.setdefault(name, [])
            values.extend(itertools.repeat(None, row - len(values)))
            values.append(value)
    arrays, refused = [], []
    for name, values in columns.items():
        values.extend(itertools.repeat(None, len(lines) - len(values)))
        try:
            arrays.append(infer_values(_with_decimals(values)))
        except InexactError as refusal:
            refused.append(violation_of(refusal, name, None, None))
            arrays.append(pa.nulls(len(lines)))
            if left_out is not None:
                left_out[name] = str(refused[-1].message).removeprefix(f"`{name}` ")
    if refused and (left_out is None or len(refused) == len(columns)):
        example = refused[0].examples[0] if refused[0].examples else None
        place = Location(opened.name, lines[example.row - 1] if example and example.row else None)
        raise DataError(
            f"column {refused[0].message} in `{opened.name}`",
            refused,
            hint="declare the columns to read, with their types",
            location=place,
        )
    return pa.table(arrays, names=list(columns))


def _float(text: str) -> float | Decimal:
    """A float where it is the number that was written, else the number."""
    value = float(text)
    digits = text.lower().partition("e")[0].lstrip("-0.").replace(".", "")
    if len(digits) <= _SAFE_DIGITS and value not in (float("inf"), float("-inf")) and (value or not digits.strip("0")):
        return value
    return value if value == value and Decimal(repr(value)) == Decimal(text) else Decimal(text)


def _lose_digits(values: list[Any]) -> bool:
    """Whether numbers have to be decimals to keep all their digits; never beside NaN and infinity, which none is."""
    kinds = set(map(type, values))
    if Decimal not in kinds and not {int, float} <= kinds:
        return False
    if any(type(value) is float and not isfinite(value) for value in values):
        return False
    return Decimal in kinds or not all(_is_float(value) for value in values if type(value) is int)


def _is_float(integer: int) -> bool:
    try:
        return float(integer) == integer
    except OverflowError:
        return False


def _with_decimals(values: list[Any]) -> list[Any]:
    """Make decimals of numbers where floats would not keep their digits; inside lists and objects as outside."""
    kinds = set(map(type, values))
    if list in kinds:
        items = [item for value in values if type(value) is list for item in value]
        done = _with_decimals(items)
        if done is not items:
            each = iter(done)
            values = [[next(each) for _ in value] if type(value) is list else value for value in values]
    if dict in kinds:
        values = _with_decimals_in_objects(values)
    if _lose_digits(values):
        values = [Decimal(repr(value)) if type(value) in (int, float) else value for value in values]
    return values


def _with_decimals_in_objects(values: list[Any]) -> list[Any]:
    objects = [value for value in values if type(value) is dict]
    changed: dict[str, Iterator[Any]] = {}
    for name in dict.fromkeys(name for each in objects for name in each):
        fields = [each[name] for each in objects if name in each]
        done = _with_decimals(fields)
        if done is not fields:
            changed[name] = iter(done)
    if not changed:
        return values

    def made(value: dict[str, Any]) -> dict[str, Any]:
        return {name: next(changed[name]) if name in changed else field for name, field in value.items()}

    return [made(value) if type(value) is dict else value for value in values]
