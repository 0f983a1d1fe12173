"""Rows of texts as lines whose columns line up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.terminal import Terminal, folded, names_width, pad, share_of, text_width


class Cell(Struct, frozen=True):
    """A text and its style."""

    text: str
    style: str | None = None


def columns(
    terminal: Terminal,
    header: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    right: frozenset[int] = frozenset(),
    indent: str = "",
    dispensable: Sequence[int] = (),
    shortened: int | None = None,
    shortest: int | None = None,
    least: int = 8,
    fold: bool = False,
) -> list[str]:
    """Rows as aligned lines under a dim header; the last column takes what is left of the width.

    Where that is too little, others make way for it, and no line is wider than the screen.

    Args:
        terminal: What the lines are for.
        header: Its texts; all empty for no header line.
        rows: Cells, as many as the header has.
        right: Indices of right-aligned columns.
        indent: Before every line.
        dispensable: Indices of columns that are left out, the first of them first, where the last one has no room.
        shortened: Index of a column of names, which are shortened in the middle where that is not enough.
        shortest: To how many columns of the screen names are shortened before others are left out; None where these go
            first.
        least: Columns of the screen that the last one should have, if it needs them.
        fold: Whether the last one goes on in more lines where its text is too long, and is not cut.
    """
    cells = [list(row) for row in rows]
    # Marks and actions of thousands of rows are a few texts.
    widths = [max(map(text_width, {head, *[row[i].text for row in cells]})) for i, head in enumerate(header)]
    last = len(header) - 1
    shown = list(range(len(header)))
    if terminal.width is not None:
        names = 0 if shortened is None else widths[shortened]
        needed = min(widths[last], least) + (names if shortest is None else min(names, shortest))
        room = terminal.width - len(indent) + names - sum(w + 2 for w in widths[:last])
        for index in dispensable:
            if room < needed:
                shown.remove(index)
                room += widths[index] + 2
        if shortened is not None:
            widths[shortened] = names_width(names, room, min(widths[last], max(least, share_of(room) if fold else 0)))
        widths[last] = max(min(widths[last], room - (0 if shortened is None else widths[shortened])), 0)
    lines = []
    if any(header):
        texts = [pad(header[i], widths[i], right=i in right) for i in shown]
        lines.append(terminal.style(terminal.cut((indent + "  ".join(texts)).rstrip(), terminal.width), "dim"))
    known: dict[tuple[int, str, str | None], str] = {}

    def part(index: int, cell: Cell) -> str:
        if index == shortened:  # each is another one
            cut = terminal.cut_middle(cell.text, widths[index])
            return _styled(terminal, pad(cut, widths[index], right=index in right), cell.style) + "  "
        key = (index, cell.text, cell.style)
        if key not in known:
            known[key] = _styled(terminal, pad(cell.text, widths[index], right=index in right), cell.style) + "  "
        return known[key]

    before = [index for index in shown if index != last]
    for row in cells:
        begin = indent + "".join([part(index, row[index]) for index in before])
        end = Cell(pad(row[last].text, widths[last], right=True), row[last].style) if last in right else row[last]
        lines += _with_last(terminal, begin, end, widths[last], fold=fold)
    return lines


def data_rows(
    terminal: Terminal,
    header: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    right: Iterable[int],
    *,
    marked: bool,
    needed: Sequence[Collection[int]] = (),
) -> list[str]:
    """Rows of a table's data as aligned lines; columns that neither fit nor stand below each row are counted.

    Args:
        terminal: What the lines are for.
        header: Names of the columns.
        rows: Cells, as many as the header has.
        right: Indices of right-aligned columns.
        marked: Whether the first column is a mark, and none of the data.
        needed: Of each row, indices of columns that have lines of their own below it where they do not fit.
    """
    fitting, used = len(header), 0
    if terminal.width is not None:
        fitting = 0
        for index, head in enumerate(header):
            used += 2 + max(text_width(head), *(text_width(row[index].text) for row in rows))
            if used > terminal.width and fitting > marked:
                break
            fitting += 1
    shown = frozenset(index for index in right if index < fitting)
    head, *lines = columns(terminal, header[:fitting], [row[:fitting] for row in rows], right=shown, indent="  ")
    for at in range(len(needed) - 1, -1, -1):
        below = (f"      {header[index]}: {rows[at][index].text}" for index in needed[at] if index >= fitting)
        lines[at + 1 : at + 1] = [terminal.cut(line, terminal.width) for line in below]
    lines.insert(0, head)
    below_each = frozenset.intersection(*map(frozenset, needed)) if needed else frozenset()
    if more := sum(index not in below_each for index in range(fitting, len(header))):
        left = "     " if marked else "  "
        lines.append(terminal.style(f"{left}… and {plural(more, 'more column')}", "dim"))
    return lines


def _with_last(terminal: Terminal, begin: str, cell: Cell, width: int, *, fold: bool) -> list[str]:
    """The lines of a row: its beginning, and its last cell beside it."""
    if not cell.text:
        return [begin.rstrip()]
    if terminal.width is None:
        texts = [cell.text]
    else:
        texts = folded(cell.text, width) if fold and width > 0 else [terminal.cut(cell.text, width)]
    first, *others = (_styled(terminal, text, cell.style) for text in texts)
    return [(begin + first).rstrip(), *((" " * text_width(begin) + other).rstrip() for other in others)]


def _styled(terminal: Terminal, text: str, style: str | None) -> str:
    return terminal.style(text, style) if text.strip() else text
