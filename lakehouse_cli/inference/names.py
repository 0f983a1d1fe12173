"""Names of tables and columns that a project takes, by those of files and headers."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence

from lakehouse_cli.text.invisible import same_to_the_eye

_ID = re.compile(r"(?:.*[^a-z])?(?:id|key|uuid|guid|nr|no|code|number)|.*[a-z]Id|.*ID", re.DOTALL)


def is_id(name: str) -> bool:
    """Whether a column is called as one that identifies rows.

    >>> is_id("order_id"), is_id("ID"), is_id("customerId"), is_id("country"), is_id("paid")
    (True, True, True, False, False)
    """
    return _ID.fullmatch(name) is not None or (
        _ID.fullmatch(name.lower()) is not None and not name.lower().endswith("paid")
    )


def column_names(header: Sequence[str], width: int) -> list[str]:
    """Return a name for each column, all different: those of the header where they are names.

    >>> column_names(["", "a", "a", " b "], 4)
    ['column_1', 'a', 'a_2', 'b']
    """
    names: list[str] = []
    taken: set[str] = {*header}
    seen: set[str] = set()
    for at in range(width):
        cell = header[at] if at < len(header) else ""
        name = _shown(cell) or f"column_{at + 1}"
        count = 1
        unique = name
        while unique in seen or (unique != cell and unique in taken):
            count += 1
            unique = f"{name}_{count}"
        seen.add(unique)
        names.append(unique)
    return names


def _shown(cell: str) -> str:
    """A name as a reader sees it, where it has characters that cannot be seen, or blanks around."""
    if cell == cell.strip() and cell.isprintable():
        return cell
    return " ".join(same_to_the_eye(cell).split())


def table_name(text: str) -> str:
    """Return the name of a table by that of a file.

    >>> table_name("2024 sales-q1"), table_name("class"), table_name("Umsätze")
    ('t_2024_sales_q1', 'class_', 'Ums_tze')
    """
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "table"
    name = f"t_{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) else name


def table_names(paths: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each table, all different but for upper and lower case too.

    Args:
        paths: Of each table its own name and what stands before it, folders or the database, from the left.

    >>> table_names([["a", "x"], ["b", "x"], ["b", "y"]])
    ['a_x', 'b_x', 'y']
    """
    names = [table_name(path[-1]) for path in paths]
    again = {name.lower() for name in names if [each.lower() for each in names].count(name.lower()) > 1}
    names = [
        table_name("_".join(path[-2:])) if name.lower() in again else name
        for name, path in zip(names, paths, strict=True)
    ]
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        unique, count = name, 1
        while unique.lower() in taken:
            count += 1
            unique = f"{name}_{count}"
        taken.add(unique.lower())
        found.append(unique)
    return found
