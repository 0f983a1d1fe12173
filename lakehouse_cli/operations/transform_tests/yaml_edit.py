"""A test written into a project file: its lines are put in, all others stay, comments and layout with them.

The file is read again before it is written: unless it says what it said before, and the test, it is left as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lakehouse_cli.config.problems import Problems
from lakehouse_cli.config.source import SourceFile, read_source
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, parse_yaml
from lakehouse_cli.config.yaml_tree import Sequence as Items
from lakehouse_cli.errors import Problem

_STEP = "  "


def with_test(source: SourceFile, table: str, entry: Sequence[str]) -> str | None:
    """The text of a file with one test more, the last of its table.

    Args:
        source: The file.
        table: The table.
        entry: The lines of the test, the first of which begins with `- `.

    Returns:
        The text; None where the table is not written in lines of its own.
    """
    node = table_of(source, table)
    if node is None or is_flow(source, node) or not node.entries:
        return None
    keys = [key for key, _ in node.entries.values()]
    indent = " " * min(key.start.column for key in keys)
    tests = node.get("tests")
    if isinstance(tests, Items) and tests.items and not is_flow(source, tests):
        dashes = re.match(r"\s*", source.line(tests.items[0].start.line))
        lines = [(dashes.group() if dashes else indent) + line for line in entry]
        at = last_line(tests) + 1
    elif tests is None:
        lines = [f"{indent}tests:", *(indent + _STEP + line for line in entry)]
        at = last_line(node) + 1
    else:
        return None
    text = joined(source, [*source.lines[:at], *lines, *source.lines[at:]])
    return text if _says(source, text, table, values_of(parsed_lines(entry)), None) else None


def with_expectation(source: SourceFile, table: str, test: str, lines: Sequence[str]) -> str | None:
    """The text of a file in which a test expects something else.

    Args:
        source: The file.
        table: The table.
        test: The name of its test.
        lines: What it expects, below `expect:`.

    Returns:
        The text; None where `expect` is not written in lines of its own.
    """
    node = table_of(source, table)
    tests = node.get("tests") if node is not None else None
    for item in tests.items if isinstance(tests, Items) else ():
        name = item.get("name") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(name, Scalar) or name.text != test:
            continue
        key, value = item.entries["expect"]
        first, last = key.start.line, max(last_line(value), key.end.line)
        before = source.line(first)[: key.start.column]
        if before.strip(" -") or is_flow(source, item):
            return None
        indent = " " * key.start.column
        written = (
            [f"{before}expect: []"] if not lines else [f"{before}expect:", *(indent + _STEP + each for each in lines)]
        )
        text = joined(source, [*source.lines[:first], *written, *source.lines[last + 1 :]])
        expected = values_of(parsed_lines(lines)) if lines else []
        return text if _says(source, text, table, expected, test) else None
    return None


def write_text(path: Path, text: str) -> None:
    """Put a text in the place of a file's at once; of a link, of the file that it leads to."""
    path = path.resolve()
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        aside.chmod(path.stat().st_mode & 0o7777)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def source_of(path: Path, name: str) -> SourceFile | None:
    """A project file as it is now; None where it cannot be read."""
    found = read_source(path, name)
    return None if isinstance(found, Problem) else found


def table_of(source: SourceFile, name: str) -> Mapping | None:
    """The node of a table that a file declares; None where it does not, or cannot be read."""
    tables = root_of(source)
    tables = tables.get("tables") if isinstance(tables, Mapping) else None
    found = tables.get(name) if isinstance(tables, Mapping) else None
    return found if isinstance(found, Mapping) else None


def root_of(source: SourceFile) -> Node | None:
    """The tree of a file; None where it has problems."""
    problems = Problems()
    root = parse_yaml(source, problems)
    return None if problems.sorted("") else root


def parsed_lines(lines: Sequence[str]) -> Node | None:
    """The tree of some lines."""
    return root_of(SourceFile(Path(), "", "\n".join(lines)))


def joined(source: SourceFile, lines: Sequence[str]) -> str:
    """The text of lines, with the line breaks of a file."""
    lines = list(lines)
    if lines and lines[-1]:
        lines.append("")
    return ("\r\n" if "\r\n" in source.text else "\n").join(lines)


def is_flow(source: SourceFile, node: Node) -> bool:
    """Whether a node is written in braces or brackets, or with an anchor or a tag."""
    return source.line(node.start.line)[node.start.column : node.start.column + 1] in ("{", "[", "&", "*", "!")


def last_line(node: Node) -> int:
    """The 0-based line on which a node ends, what follows it left out."""
    children: list[Node] = []
    if isinstance(node, Mapping):
        children = [each for entry in node.entries.values() for each in entry]
    elif isinstance(node, Items):
        children = node.items
    end: int = node.end.line - (node.end.column == 0 and node.end.line > node.start.line)
    # The end of a block lies behind it, where the next thing begins.
    return max(map(last_line, children)) if children else end


def values_of(node: Node | None) -> Any:
    """What a node says, wherever it stands."""
    if isinstance(node, Scalar):
        return node.text, node.plain
    if isinstance(node, Items):
        return [values_of(item) for item in node.items]
    if isinstance(node, Mapping):
        return {name: values_of(value) for name, (_, value) in node.entries.items()}
    return None


def _says(source: SourceFile, text: str, table: str, new: Any, replaced: str | None) -> bool:
    """Whether a text says what a file says, but for one test more, or for what one test expects."""
    before, after = values_of(root_of(source)), values_of(root_of(SourceFile(source.path, source.name, text)))
    if before is None or after is None:
        return False
    tests = before["tables"][table].setdefault("tests", [])
    if replaced is None:
        tests += new
    else:
        for test in tests:
            if test["name"][0] == replaced:
                test["expect"] = new
    return bool(before == after)
