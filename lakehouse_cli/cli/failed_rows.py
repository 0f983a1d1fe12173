"""The rows that broke a contract, as `lakehouse show TABLE --failed` shows and writes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.errors import StorageError, some_rows
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.columns import Cell, data_rows
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import Terminal, printable, text_width, value_text

if TYPE_CHECKING:
    from lakehouse_cli.errors import FailedRow
    from lakehouse_cli.project.facade import Project
    from lakehouse_cli.runs.failed_rows import KeptRows

    # A row, with its partition.
    _Placed = tuple[dict[str, str], FailedRow]

_SHOWN = 10
# A value has its share of the line, of this where lines have no width, and room for a UUID in any case.
_LINE, _LEAST_WIDE = 200, 40
# Numbers in a row that are shown by their ends.
_RUN = 4


def show_failed(settings: options.Settings, table: str, partitions: Sequence[str], count: int | None) -> None:
    """The rows that are kept of a table, all of them in JSON, or that there are none."""
    project = settings.project()
    found = project.failed_rows(table, partitions, one=not settings.json)
    if settings.json:
        document, placed = _document(project, table, found, count)
        output.write_json_parts(_json_parts(document, placed))
        return
    terminal = settings.stdout
    kept = next(iter(found), None)
    if kept is None:
        output.write(terminal.title(table, "no failed rows are kept of its last run"))
        output.flush()
        return
    rows = [*_chosen(project, table, kept, _SHOWN if count is None else count)]
    title = f"{plural(kept.failed.count, 'row')} that {'fails' if kept.failed.count == 1 else 'fail'}"
    output.write(terminal.title(table, f"{title} · run {kept.run_id}"))
    reasons = list(dict.fromkeys(reason for each in (*kept.failed.rows, *rows) for reason in each.reasons))
    output.write()
    output.write_lines(
        terminal.wrap(f"  why {number}: {printable(reason)}", "    ") for number, reason in enumerate(reasons, 1)
    )
    if rows:
        output.write()
        output.write_lines(_failed_rows(kept, rows, reasons, terminal))
    output.flush()


def _chosen(project: Project, table: str, kept: KeptRows, count: int | None) -> Iterable[FailedRow]:
    """So many of the rows, some of each reason where they are few; None for all."""
    if kept.file is None or (count is not None and count <= len(kept.failed.rows)):
        return some_rows(kept.failed.rows, len(kept.failed.rows) if count is None else count)
    return islice(project.all_failed_rows(table, kept), count)


def _document(
    project: Project, table: str, found: Sequence[KeptRows], count: int | None
) -> tuple[dict[str, Any], Iterable[_Placed]]:
    """The document without its rows, and these."""
    last = max(found, key=lambda kept: kept.at, default=None)
    total = sum(kept.failed.count for kept in found)
    there = sum(len(kept.failed.rows) if kept.file is None else kept.failed.kept for kept in found)
    left_out = total - (there if count is None else min(count, there))
    rows = ((kept.partition, row) for kept in found for row in _chosen(project, table, kept, count))
    document = {"name": table, "run_id": last and last.run_id, "at": last and last.at}
    return {**document, "count": total, "left_out": left_out}, islice(rows, count)


def _json_parts(document: dict[str, Any], rows: Iterable[_Placed]) -> Iterator[str]:
    """The document as text, part by part, however many rows there are."""
    yield json.dumps(document, indent=2, ensure_ascii=False).removesuffix("\n}") + ',\n  "rows": ['
    separator = "\n    "
    for partition, each in rows:
        found: dict[str, Any] = {"partition": partition} if partition else {}
        found |= {"row": each.row, "line": each.line, "reasons": each.reasons, "values": each.values}
        found |= {"file": each.file} if each.file else {}
        found |= {"file_row": each.file_row} if each.file_row else {}
        yield separator + _json_text(found).replace("\n", "\n    ")
        separator = ",\n    "
    yield "]\n}\n" if separator == "\n    " else "\n  ]\n}\n"


def _json_text(found: dict[str, Any]) -> str:
    # For each document that `json` indents it leaves cycles behind.
    try:
        return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
        return json.dumps(found, indent=2)


def write_failed(
    settings: options.Settings, table: str, partitions: Sequence[str], count: int | None, out: str
) -> None:
    """Write the rows that are kept of a table to a file."""
    path = Path(out)
    if path.suffix not in (".csv", ".json"):
        message = "failed rows are written as `.csv` or `.json`; `-o json` writes them to stdout"
        raise typer.BadParameter(message, param_hint="`--out`")
    project = settings.project()
    found = project.failed_rows(table, partitions)
    document, rows = _document(project, table, found, count)
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            if path.suffix == ".json":
                file.writelines(_json_parts(document, rows))
            else:
                csv.writer(file, lineterminator="\n").writerows(_records(found, rows))
    except FileExistsError:
        raise typer.BadParameter(f"{out} is there already; name another file", param_hint="`--out`") from None
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {system_reason(error)}", hint="choose another file") from None
    written = document["count"] - document["left_out"]
    if settings.json:
        output.write_json({**document, "out": out})
    elif not settings.quiet:
        output.write(f"{printable(out)} · {plural(written, 'row')}")
    output.flush()


def _records(found: Sequence[KeptRows], rows: Iterable[_Placed]) -> Iterator[Sequence[Any]]:
    """The rows as those of a CSV file, behind its header."""
    names = dict.fromkeys(name for kept in found for name in kept.failed.columns)
    is_divided = any(kept.partition for kept in found)
    yield [*(["partition"] if is_divided else []), "row", "file", "file_row", "line", "reasons", *names]
    for partition, each in rows:
        of = [", ".join(f"{name}={value}" for name, value in partition.items())] if is_divided else []
        values = (each.values.get(name) for name in names)
        yield [*of, each.row, each.file or "", each.file_row or "", each.line, "; ".join(each.reasons), *values]


def _failed_rows(kept: KeptRows, rows: Sequence[FailedRow], reasons: list[str], terminal: Terminal) -> list[str]:
    with_lines = any(each.line is not None for each in rows)
    with_files = any(each.file for each in rows)
    with_rows = any(each.file_row for each in rows)
    further = (("file", with_files), ("row there", with_rows), ("line", with_lines))
    heads = ["why", "row", *(name for name, is_there in further if is_there)]
    most = widest(terminal, len(kept.failed.columns))
    names = [terminal.cut(printable(name), most) for name in kept.failed.columns]
    cells = []
    for each in rows:
        why = _numbers_text([reasons.index(reason) + 1 for reason in each.reasons])
        place = [count_text(each.row), *([printable(each.file or "")] if with_files else [])]
        place += [count_text(each.file_row or None)] if with_rows else []
        place += [count_text(each.line)] if with_lines else []
        cells.append(
            [
                *(Cell(text) for text in (why, *place)),
                *(_value_cell(each, name, terminal, most) for name in kept.failed.columns),
            ]
        )
    if terminal.width is not None:  # the number of a row is there, however many reasons it has
        places = [[text_width(head), *(text_width(row[at].text) for row in cells)] for at, head in enumerate(heads)]
        room = terminal.width - 2 - sum(2 + max(widths) for widths in places[1:])
        for row in cells:
            row[0] = Cell(terminal.cut(row[0].text, max(room, 1)))
    needed = [
        [at for at, name in enumerate(kept.failed.columns, len(heads)) if name in each.wrong and name in each.values]
        for each in rows
    ]
    numbers = [at for at, head in enumerate(heads) if head in ("row", "row there", "line")]
    lines = data_rows(terminal, [*heads, *names], cells, numbers, marked=False, needed=needed)
    if (more := kept.failed.count - len(rows)) > 0:
        left = len(kept.failed.rows) - len(rows)
        there, of_all = kept.failed.kept, "" if kept.failed.kept < kept.failed.count else "all "
        of_these = f"; `--out failed.csv` writes {of_all}{count_text(there)}"
        if kept.file is None and left == more:
            of_these = ""
        elif kept.file is None:
            of_these = f", of which {count_text(left) if left else 'none'} {'is' if left == 1 else 'are'} kept"
        lines.append(terminal.style(f"  … and {plural(more, 'more row')}{of_these}", "dim"))
    return lines


def _numbers_text(numbers: Sequence[int]) -> str:
    """Numbers in order, long runs of them by their ends.

    >>> _numbers_text([7, 3, 2, 1, 4])
    '1-4, 7'
    """
    runs: list[list[int]] = []
    for number in sorted({*numbers}):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [[f"{run[0]}-{run[-1]}"] if len(run) >= _RUN else map(str, run) for run in runs]
    return ", ".join(text for each in texts for text in each)


def _value_cell(row: FailedRow, name: str, terminal: Terminal, widest: int) -> Cell:
    """A value that is kept of a row; blank for one that is not."""
    if name not in row.values:
        return Cell("")
    value = row.values[name]
    return Cell(terminal.cut(value_text(value), widest), "dim" if value is None else None)


def widest(terminal: Terminal, count: int) -> int:
    """How wide a value may be, of so many in a line."""
    return max((terminal.width or _LINE) // max(count, 1) - 2, _LEAST_WIDE)
