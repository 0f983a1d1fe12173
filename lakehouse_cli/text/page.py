"""A short document: a title, a table and texts, as Markdown for a pull request and as HTML for a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from itertools import accumulate

from msgspec import Struct

from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.terminal import printable

# A comment on GitHub holds 65,536 characters.
_MOST_CHARACTERS = 60_000
_MOST_ROWS, _MOST_NOTES, _LONGEST = 50, 20, 300
# What is markup in Markdown, or, such as @name, becomes a link, or a message to somebody.
_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#+|~!&@$]|:(?=\S)")
_FENCES = re.compile("`{3,}")
_Convert = Callable[[str], str]


class Value(str):
    """A text of a page that is data: backticks in it are backticks."""

    __slots__ = ()


class Block(Struct, frozen=True):
    """Lines in a font of fixed width, under what they are about.

    Attributes:
        title: What they are about.
        lines: The lines.
        language: By which they are coloured: ``text`` or ``diff``.
    """

    title: str
    lines: tuple[str, ...]
    language: str = "text"


class Page(Struct, frozen=True):
    """A short document; in its texts, what stands in backticks is code.

    Attributes:
        title: What it is about.
        summary: What is to know of it, in a line.
        header: Of the table.
        rows: Of the table; none for no table.
        right: Indices of right-aligned columns.
        blocks: Below the table.
        notes: At the end.
    """

    title: str
    summary: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    right: frozenset[int] = frozenset()
    blocks: tuple[Block, ...] = ()
    notes: tuple[str, ...] = ()


def to_markdown(page: Page) -> str:
    """Format a page as GitHub's Markdown, of at most 60,000 characters; all values are escaped."""
    parts = [f"### {_prose(page.title)}", _prose(page.summary)]
    if page.rows:
        head = [_prose(each) for each in page.header]
        rule = ["---:" if at in page.right else "---" for at in range(len(head))]
        rows = [[_prose(each) for each in row] for row in page.rows[:_MOST_ROWS]]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows)))
        parts += _more(len(page.rows) - _MOST_ROWS, "row")
    parts += _bounded(page.blocks, _MOST_CHARACTERS - sum(map(len, parts)) - _MOST_NOTES * _LONGEST)
    notes = [f"- {_prose(note)}" for note in page.notes[:_MOST_NOTES]]
    parts += ["\n".join(notes)] if notes else []
    parts += _more(len(page.notes) - _MOST_NOTES, "note")
    return "\n\n".join(parts)


def _more(count: int, noun: str) -> list[str]:
    return [f"… and {plural(count, f'more {noun}')}; `-o json` has all"] if count > 0 else []


def _bounded(blocks: Sequence[Block], room: int) -> list[str]:
    """Format blocks as far as there is room, the last of them without its last lines."""
    parts: list[str] = []
    for at, block in enumerate(blocks):
        ends = accumulate(len(line) + 1 for line in block.lines)
        kept = block.lines[: sum(end <= room for end in ends)]
        if not kept:
            return [*parts, *_more(len(blocks) - at, "section")]
        room -= sum(map(len, kept)) + len(kept)
        fence = max([*_FENCES.findall("\n".join(kept)), "``"], key=len) + "`"
        parts.append("\n".join([f"**{_prose(block.title)}**\n", f"{fence}{block.language}", *kept, fence]))
        if len(kept) < len(block.lines):
            return [*parts, *_more(len(block.lines) - len(kept), "line"), *_more(len(blocks) - at - 1, "section")]
    return parts


def _prose(text: str) -> str:
    """Escape a text for Markdown, what stands in backticks as code."""
    return _with_code(text, lambda part: f"<code>{_escaped(part)}</code>", _escaped)


def _escaped(text: str) -> str:
    return _MARKUP.sub(_entity, text)


def _entity(found: re.Match[str]) -> str:
    # Entities are no markup; a comment keeps GitHub from reading on.
    return f"&#{ord(found[0])};{'<!-- -->' if found[0] in '@#' else ''}"


def to_html(page: Page) -> str:
    """Format a page as HTML without colours of its own, for light and dark pages; all values are escaped."""
    parts = [f"<p><strong>{_html(page.title)}</strong><br>{_html(page.summary)}</p>"]
    if page.rows:
        parts.append(_html_table(page.header, page.rows[:_MOST_ROWS], page.right))
        parts += [f"<p>… and {plural(more, 'more row')}</p>" for more in [len(page.rows) - _MOST_ROWS] if more > 0]
    for block in page.blocks:
        lines = escape("\n".join(block.lines))
        parts.append(f"<p><strong>{_html(block.title)}</strong></p><pre>{lines}</pre>")
    if page.notes:
        parts.append(f"<ul>{''.join(f'<li>{_html(note)}</li>' for note in page.notes[:_MOST_NOTES])}</ul>")
    return f"<div>{''.join(parts)}</div>"


def _html_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        sides = ["right" if at in right else "left" for at in range(len(cells))]
        return "".join(
            f'<{tag} style="text-align: {side}">{_html(cell)}</{tag}>' for cell, side in zip(cells, sides, strict=True)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{line(header, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def _html(text: str) -> str:
    return _with_code(text, lambda part: f"<code>{escape(part)}</code>", escape)


def _with_code(text: str, code: _Convert, other: _Convert) -> str:
    """A text in one line, cut where it is long; what stands in backticks by the one, all else by the other."""
    shown = cut_end(printable(text), _LONGEST)
    if isinstance(text, Value):
        return other(shown)
    parts = shown.split("`")
    if len(parts) % 2 == 0:  # one of them has no partner
        parts[-2:] = [f"{parts[-2]}`{parts[-1]}"]
    return "".join(code(part) if at % 2 else other(part) for at, part in enumerate(parts) if part)
