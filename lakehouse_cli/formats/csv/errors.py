"""What is wrong with the text of a CSV file, with its place and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.records import RecordError
from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.counts import count_text

_SHOWN = 60


def undecodable(name: str, line: int, encoding: str, error: UnicodeDecodeError) -> StorageError:
    """Make the error of bytes that are not text in the file's encoding."""
    byte = error.object[error.start : error.start + 1].hex()
    return StorageError(
        f"line {count_text(line)} of `{name}` is not {encoding}: byte 0x{byte}",
        hint="set `encoding` in its options, such as `latin-1`, `cp1252` or `utf-16`",
        location=Location(name, line),
    )


def malformed(
    name: str, error: RecordError, lines: tuple[int, int], header: Sequence[str] | None, options: CsvOptions
) -> StorageError:
    """Make the error of bytes that are no record.

    Args:
        name: The file.
        error: What was found.
        lines: On which the value begins, and of the fault.
        header: Names of the columns, if there are any.
        options: Of the format.
    """
    at, (opened, line) = error.position, lines
    named = header[at] if header and at < len(header) else ""
    column = f"column `{named}`" if named else f"column {count_text(at + 1)}"
    place = f"line {count_text(line)} of `{name}`, in {column}"
    quote, escape = options.quote_char, options.escape_char or "\\"
    double = f"double each {quote} inside a quoted value, or set `quote_char: none` in its options if {quote} is text"
    if options.escape_char is None and b"\\" + options.arrow_quote.encode() in error.value:
        double = f"set `escape_char: '\\'` in its options, if a backslash stands before each {quote} inside a value"
    match error.reason:
        case "after quote":
            if not error.after.strip(b" \t"):
                double = "set `trim: true` in its options, which leaves out blanks around values"
            since = f" (the quote opens on line {count_text(opened)})" if opened != line else ""
            message, hint = f"{_text(error.after)} follows a closing quote on {place}{since}", double
        case "unclosed":
            line = opened
            message, hint = (
                f"a quote that opens on line {count_text(line)} of `{name}` is never closed, in {column}",
                double,
            )
        case "long":
            message = f"the row on line {count_text(opened)} of `{name}` does not end within a gigabyte"
            hint = "check `quote_char` in its options"
        case "line feed":
            place = f"line {count_text(line)} of `{name}`"
            message = f"a line feed is in {column} on {place}, whose first line ends in a carriage return"
            hint = "end all lines with the same characters, and put quotes around values that hold others"
        case "dangling":
            message = f"the file ends with an escape character, on {place}"
            hint = f"double the {escape} if it is text; if not, fetch the file again"
        case "mixed escapes":
            message = (
                f"{escape} in {_text(error.value)} on {place}, may be text or escape what follows: the file has both"
            )
            hint = f"write it with quotes around every text (Spark: `quoteAll`), or double each {escape} that is text"
        case "escaped end":
            message = f"{escape} before a line end in {_text(error.value)} on {place}, may be text or escape it"
            hint = "write it with quotes around every text (Spark: `quoteAll`); if none has any, set `quote_char: none`"
        case "unknown escape":
            message = f"{_text(error.value)} on {place}, is not an escape"
            hint = f"double each {escape} that is text, or remove `escape_char` from its options if all are"
    found = StorageError(message, hint=hint, location=Location(name, line))
    found.shown_data = (_text(error.after), _text(error.value))
    return found


def _text(value: bytes) -> str:
    return f"`{shorten(value.decode(errors='replace'))}`"


def shorten(value: str) -> str:
    """Print a value for a message: cut where it is long, in quotes where it would not be seen as it is."""
    text = cut_end(value, _SHOWN)
    return text if text.isprintable() and text == text.strip() and text else repr(text)
