"""What a YAML parser's error means, in words a person can act on."""

from __future__ import annotations

import re

import yaml

from lakehouse_cli.config.source import Mark, SourceFile
from lakehouse_cli.errors import Problem

_QUOTE_IT = "put the text in quotes"


def explain(error: yaml.MarkedYAMLError, source: SourceFile) -> Problem:
    """The problem behind a syntax error of either of PyYAML's parsers.

    Args:
        error: What the parser raised; its words are libyaml's or PyYAML's.
        source: The text that was parsed.
    """
    said = (error.problem or error.context or "").lower()
    context = (error.context or "").lower()
    at: Mark | None = error.problem_mark or error.context_mark
    began: Mark | None = error.context_mark or at
    message, hint, mark = _in_words(said, context, source, at, began)
    place = source.point(mark.line, mark.column) if mark is not None else source.point(0, 0)
    return Problem(message, hint, place)


def _in_words(
    said: str, context: str, source: SourceFile, at: Mark | None, began: Mark | None
) -> tuple[str, str | None, Mark | None]:
    """Message, hint and place; the first case that fits."""
    line = source.line(at.line) if at else ""
    character = line[at.column : at.column + 1] if at else ""
    if "mapping values are not allowed" in said:
        return _colon(line, at, _line_above(source, at))
    if "cannot start any token" in said or "tab character" in said:
        return _bad_start(line, character, at)
    if "quoted scalar" in context or "double-quoted" in context:
        if "escape" in said:
            return "unknown escape in a double-quoted text", "write `\\\\` for a backslash, or use single quotes", at
        return "a quoted text is not closed", "close it with the quote it began with", began
    if "unexpected ':'" in said:
        return "`:` cannot stand here", "put a space before `[` or `{`, and quotes around a text that holds `:`", at
    if "node content" in said:
        return "a value is missing here", "write one, in quotes if it is a text", at
    if "flow sequence" in context or "flow mapping" in context:
        if at is not None and character == "{" and line[: at.column].endswith("$"):
            return "`{` cannot stand here", "inside `[ ]` and `{ }`, put `${…}` in quotes", at
        return _flow(context, character, at, began, line)
    if "could not find expected ':'" in said or "simple key" in context:
        return "a key lacks its `:`", "write `key: value`", began
    if "sequence entries are not allowed" in said:
        return "a list cannot begin here", "put each `- item` on a line of its own, under its key", at
    return _others(said, context, at, began)


def _colon(line: str, at: Mark | None, above: str) -> tuple[str, str | None, Mark | None]:
    if at is not None and line[: at.column].count("<") > line[: at.column].count(">"):
        return "`: ` begins a map, and none can begin here", "put the column type in quotes: 'struct<a: int64>'", at
    hint = "put a text that holds `: ` in quotes, or check the indentation of this line"
    if re.fullmatch(r"\w+", above):
        hint = f"write `{above}:` where it is a key, and put a text that holds `: ` in quotes"
    return "`: ` begins a map, and none can begin here", hint, at


def _line_above(source: SourceFile, at: Mark | None) -> str:
    """The nearest line above that holds more than a comment, without its indentation."""
    lines = (source.line(number).strip() for number in range(at.line - 1, -1, -1)) if at else ()
    return next((line for line in lines if line and not line.startswith("#")), "")


def _bad_start(line: str, character: str, at: Mark | None) -> tuple[str, str | None, Mark | None]:
    if character == "\t" or (at is not None and "\t" in line[: at.column + 1]):
        return "a tab cannot indent YAML", "indent with spaces", at
    return f"a text cannot begin with `{character}` unless it is quoted", _QUOTE_IT, at


def bracketed(line: str, column: int) -> str:
    """The text of a line about a column, up to the brackets that close those opened there.

    >>> bracketed("{a: decimal128(5, 1), b: date32}", 4)
    'decimal128(5, 1)'
    """
    start = len(line[:column]) - len(re.search(r"\w*\Z", line[:column])[0])  # type: ignore[index]  # matches always
    depth = 0
    for end in range(start, len(line)):
        depth += (line[end] in "[(<{") - (line[end] in "])>}")
        if depth < 0 or (not depth and line[end] in ",; "):
            return line[start:end]
        if not depth and line[end] in "])>}":
            return line[start : end + 1]
    return line[start:].rstrip()


def _flow(
    context: str, character: str, at: Mark | None, began: Mark | None, line: str
) -> tuple[str, str | None, Mark | None]:
    bracket, name = ("]", "a list") if "sequence" in context else ("}", "a map")
    if character in ("[", "{", "<", "("):
        whole = bracketed(line, at.column) if at is not None else ""
        hint = f"inside `[ ]` and `{{ }}`, put a text that holds brackets or commas in quotes: '{whole}'"
        return f"`{character}` cannot stand here", hint, at
    message = f"{name} is not closed, or lacks a comma"
    return message, f"close it with `{bracket}`; put a text that holds brackets or commas in quotes", began


def _others(said: str, context: str, at: Mark | None, began: Mark | None) -> tuple[str, str | None, Mark | None]:
    if "block mapping" in context or "block collection" in context:
        hint = "align it with the keys beside it; a value that begins with a quote must end with it"
        return "this line does not fit the map it stands in", hint, at
    if "block sequence" in context:
        return "this line does not fit the list it stands in", "begin each item with `- `, all equally indented", at
    if "alias" in context or "anchor" in context:
        return "`*` and `&` here want the name of an anchor", _QUOTE_IT, began
    if "tag" in context or "tag" in said:
        return "a text cannot begin with `!` unless it is quoted", _QUOTE_IT, began
    if "directive" in context or "directive" in said:
        return "a line that begins with `%` is a YAML directive", _QUOTE_IT, began
    return f"not YAML: {said or context}", "put texts with special characters in quotes", at
