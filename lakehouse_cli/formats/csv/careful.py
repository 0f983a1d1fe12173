"""The second pass: every declared column as text, every value that does not fit found and told with its place."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

import pyarrow as pa
from msgspec import Struct, field
from pyarrow import csv

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import DataError, Example, Location, StorageError, Violation, others_unfit
from lakehouse_cli.formats.arrow_streams import ReadableFile
from lakehouse_cli.formats.csv.codec import decode
from lakehouse_cli.formats.csv.errors import shorten, undecodable
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.parse import Wanted, convert_options, parse_options, read_options, table_of
from lakehouse_cli.formats.csv.scan import count_lines, lines_of_rows
from lakehouse_cli.formats.csv.source import CsvSource
from lakehouse_cli.text.counts import count_text, plural

_TEXT = pa.string()
_EXAMPLES = 5

Opener = Callable[[], BinaryIO]


class _Findings(Struct):
    """What one column came to: its values, or what is wrong with them."""

    wanted: Wanted
    chunks: list[pa.Array] = field(default_factory=list)
    count: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)

    def add(self, text: pa.Array, first_row: int, options: CsvOptions) -> None:
        """Take in the text of one batch, whose first row has the 1-based number `first_row`."""
        values = decode(text, self.wanted.type, options)
        unfit = pc.and_(text.is_valid(), values.is_null())
        if not _holds_text(self.wanted.type):
            # Other tools put quotes around all values, so around null too; a number has no such value.
            nulls = av.array(["", *options.null_spellings], _TEXT)
            unfit = pc.and_not(unfit, pc.is_in(text, value_set=nulls))
        bad = pc.sum(unfit).as_py() or 0
        if bad:
            for at in pc.indices_nonzero(unfit)[: _EXAMPLES - len(self.examples)].to_pylist():
                self.examples.append((first_row + at, text[at].as_py()))
            self.count += bad
            self.chunks.clear()
        if not self.count:
            self.chunks.append(values)


def _holds_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def read_carefully(open_source: Opener, name: str, wanted: Sequence[Wanted], options: CsvOptions) -> pa.Table:
    """Read as text and convert, strictly.

    Raises:
        DataError: Values that do not fit, of every column, with rows, lines and the counts.
        StorageError: Rows of another length than the header, quotes that never close, bytes that are not text.
    """
    try:
        return _attempt(open_source, name, wanted, options)
    except pa.ArrowInvalid as error:
        _raise_undecodable(open_source, name, options)
        raise StorageError(
            f"`{name}` is not CSV as its options say: {str(error).splitlines()[0]}",
            hint="check `delimiter`, `quote_char` and `encoding` in its options",
            location=Location(name),
        ) from error


def _attempt(open_source: Opener, name: str, wanted: Sequence[Wanted], options: CsvOptions) -> pa.Table:
    ragged: list[Any] = []

    def on_ragged(row: Any) -> str:
        ragged.append(row)
        return "skip"

    findings = [_Findings(column) for column in wanted]
    with CsvSource(open_source, name, options, names=[column.name for column in wanted]) as source:
        rows = 0
        for batch in _text_batches(source, wanted, options, on_ragged):
            if not ragged:
                for at, found in enumerate(findings):
                    found.add(batch.column(at), rows + 1, options)
            rows += batch.num_rows
    if ragged:
        _raise_ragged(open_source, name, ragged, options)
    if any(found.count for found in findings):
        _raise_unfit(open_source, name, findings, rows, options)
    return table_of([pa.chunked_array(found.chunks, found.wanted.type) for found in findings], wanted)


def _text_batches(
    source: CsvSource, wanted: Sequence[Wanted], options: CsvOptions, on_ragged: Callable[[Any], str]
) -> Iterator[pa.RecordBatch]:
    with ReadableFile(source) as file:
        yield from csv.open_csv(
            file.native,
            read_options=read_options(source, use_threads=False),
            parse_options=parse_options(source, options, file.lend(partial(on_ragged))),
            convert_options=convert_options(wanted, [_TEXT] * len(wanted), options),
        )


def _lines(open_source: Opener, name: str, rows: Sequence[int], options: CsvOptions) -> dict[int, int]:
    with CsvSource(open_source, name, options, for_lines=True) as source:
        return lines_of_rows(
            source.pieces(),
            rows,
            first_line=source.first_line,
            line_end=source.line_end,
            delimiter=options.delimiter,
            quote=options.arrow_quote,
            skip_blank=source.width != 1,
        )


def _raise_ragged(open_source: Opener, name: str, ragged: Sequence[Any], options: CsvOptions) -> None:
    row = ragged[0]
    line = _lines(open_source, name, [row.number], options).get(row.number, 1)
    with CsvSource(open_source, name, options) as source:
        text = source.record_on(line)
    others = f" (and {plural(len(ragged) - 1, 'more such row')})" if len(ragged) > 1 else ""
    expected = f"{count_text(row.expected_columns)} {'is' if row.expected_columns == 1 else 'are'} expected"
    raise StorageError(
        f"line {line} of `{name}` has {plural(row.actual_columns, 'value')} where {expected}{others}: {shorten(text)}",
        hint=_ragged_hint(text, options),
        location=Location(name, line),
    )


def _ragged_hint(text: str, options: CsvOptions) -> str:
    if "\r" in text:
        return "end every line as the first one ends: a CR alone is part of a value here"
    if not options.quotes:
        return "set `delimiter` in its options, or remove `quote_char: none` if it quotes values"
    return f"put quotes around values that hold {options.delimiter!r}, or set `delimiter` in its options"


def _raise_unfit(open_source: Opener, name: str, findings: Sequence[_Findings], rows: int, options: CsvOptions) -> None:
    unfit = [found for found in findings if found.count]
    lines = _lines(open_source, name, [row for found in unfit for row, _ in found.examples], options)
    violations = []
    reasons = [_reasons(found, options) for found in unfit]
    for found, (_, whys, _) in zip(unfit, reasons, strict=True):
        column = found.wanted.column
        violations.append(
            Violation(
                found.wanted.name,
                "type",
                found.count,
                f"{plural(found.count, 'value')} of {count_text(rows)} {'is' if found.count == 1 else 'are'} not "
                f"{column.type if column else found.wanted.type}{whys}",
                tuple(Example(row, shorten(value), lines.get(row)) for row, value in found.examples),
                location=column.location if column else None,
            )
        )
    first = unfit[0]
    row, value = first.examples[0]
    total = sum(found.count for found in unfit)
    named = first.wanted.column.type if first.wanted.column else first.wanted.type
    others = others_unfit(total, "value")
    raise DataError(
        f"`{shorten(value)}` in column `{first.wanted.name}` of `{name}` is not {named}{reasons[0][0]}{others}",
        violations,
        hint=reasons[0][2],
        location=Location(name, lines.get(row)),
    )


def _reasons(found: _Findings, options: CsvOptions) -> tuple[str, str, str]:
    """Why the first value does not fit, where more can be told than that, then of all that are shown, and a hint."""
    explained = [_explained(value, found.wanted.type, options) for _, value in found.examples]
    first = explained[0] or ("", _hint(found, options))
    # Of each kind, which its hint tells, the first.
    hints: dict[str, str] = {}
    for why, hint in (first, *filter(None, explained)):
        hints.setdefault(hint, why)
    whys = [why for why in hints.values() if why]
    return f": {first[0]}" if first[0] else "", f": {'; '.join(whys)}" if whys else "", "; ".join(hints)


def _explained(value: str, kind: pa.DataType, options: CsvOptions) -> tuple[str, str] | None:
    """Why a value does not fit, and what to do, where more can be told than that."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        from lakehouse_cli.formats.csv.strptime import explain

        return explain(value, kind, options)
    if pa.types.is_nested(kind):
        from lakehouse_cli.formats.csv.nested import explain_number, parse_json

        return explain_number(parse_json(value), kind, options)
    return None


def _hint(found: _Findings, options: CsvOptions) -> str:
    t, kind = pa.types, found.wanted.type
    values = [value for _, value in found.examples]
    if len(set(values)) == 1 and values[0].strip().casefold() in _NULL_WORDS:
        return f"if {values[0]!r} stands for null, add it to `null_values` in the options"
    if t.is_timestamp(kind) and not options.timestamp_formats:
        zone = any(value.endswith("Z") or value[-6:-5] in ("+", "-") for value in values)
        if zone and kind.tz is None:
            return f"it tells a time zone: declare `timestamp[{kind.unit}, tz=UTC]`"
        if kind.tz is not None and not zone:
            return "it lacks a time zone, such as `Z` or `+01:00`: add it, or declare the column without `tz`"
        return "ISO 8601 is expected, or `timestamp_format` in the options, such as `%d/%m/%Y %H:%M`"
    if t.is_date(kind) and not options.date_formats:
        return "YYYY-MM-DD is expected, or `date_format` in the options, such as `%d/%m/%Y`"
    return "correct the file, declare another type, or add what stands for null to `null_values` in the options"


_NULL_WORDS = frozenset({"", "-", "--", ".", "?", "m", "na", "n/a", "#n/a", "nan", "nil", "none", "null", "nul", "\\n"})


def _raise_undecodable(open_source: Opener, name: str, options: CsvOptions) -> None:
    """Tell the line of the first bytes that are not UTF-8, if there are any."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with CsvSource(open_source, name, options, for_lines=True) as source:
        line = source.first_line
        for piece in chain(source.pieces(), [None]):
            try:
                line += count_lines(decoder.decode(piece or b"", final=piece is None).encode(), source.line_end)
            except UnicodeDecodeError as error:
                line += count_lines(error.object[: error.start], source.line_end)
                raise undecodable(name, line, "utf-8", error) from None
