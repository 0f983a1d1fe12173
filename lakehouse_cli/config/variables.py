"""``${VAR}`` and ``${VAR:-default}`` in storages, environments and execution, filled in from the process.

The text with the variables still in it goes on with the value, so that no message ever shows what was filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as AnyMapping
from typing import Literal

from lakehouse_cli.config.reading import Reader
from lakehouse_cli.config.scalars import core_value
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence

REFERENCE = re.compile(r"\$(?P<escape>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}|\$\{")

#: What becomes of a scalar whose variable is not set: it is reported, nothing more is said of it, or it stays as it is.
Unset = Literal["report", "pass over", "keep"]


#: Makes of what a reference in a text stands for what is put in its place.
Encoding = Callable[[re.Match[str], str], str]


def as_it_is(match: re.Match[str], value: str) -> str:
    """The value that a reference stands for, unchanged."""
    del match
    return value


def fill(
    reader: Reader | None,
    node: Node,
    environ: AnyMapping[str, str],
    unset: Unset = "report",
    encoding: Encoding = as_it_is,
) -> Node:
    """A copy of a node with the variables in its scalars filled in; `${` preceded by `$` stays `${`.

    As in a shell, ``:-`` gives the default where the variable is unset or empty.

    Args:
        reader: Of the file it stands in; None where nothing is to be reported.
        node: A scalar, or what holds scalars.
        environ: Values by name.
        unset: What becomes of a scalar whose variable is not set.
        encoding: Of what is put in the place of a variable in a scalar; not of scalars within another node.
    """
    if isinstance(node, Scalar):
        return _filled(reader, node, environ, unset, encoding) if "${" in node.text else node
    if isinstance(node, Sequence):
        items = [fill(reader, item, environ, unset) for item in node.items]
        return Sequence(items, node.size, node.start, node.end)
    if isinstance(node, Mapping):
        entries = {name: (key, fill(reader, value, environ, unset)) for name, (key, value) in node.entries.items()}
        return node.having(entries)
    return node


def unset_in(node: Node, environ: AnyMapping[str, str]) -> Iterator[str]:
    """The names of the variables in a node that are not set and have no default."""
    for match in _references(node):
        if match["default"] is None and environ.get(match["name"]) is None:
            yield match["name"]


def values_in(nodes: Iterable[Node], environ: AnyMapping[str, str]) -> dict[str, str]:
    """The variables that nodes name and that are set, whether or not they are filled in; value by name."""
    names = dict.fromkeys(match["name"] for node in nodes for match in _references(node))
    found = {name: environ.get(name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _references(node: Node) -> Iterator[re.Match[str]]:
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _references(item)
    elif isinstance(node, Mapping):
        for _, value in node.entries.values():
            yield from _references(value)
    elif isinstance(node, Scalar) and "${" in node.text:
        yield from (match for match in REFERENCE.finditer(node.text) if match["name"])


def _filled(
    reader: Reader | None, node: Scalar, environ: AnyMapping[str, str], unset: Unset, encoding: Encoding
) -> Node:
    failed = lacking = False
    known = True

    def value(match: re.Match[str]) -> str:
        nonlocal failed, lacking, known
        name, default = match["name"], match["default"]
        if match["escape"]:
            known = False
            return "${"
        if name is None:
            hint = "write `${NAME}` or `${NAME:-default}`, and `$${` for the characters themselves"
            _report(reader, node, match.group(), "`${` begins no variable here", hint)
            failed = True
            return ""
        found = environ.get(name)
        if found or (found is not None and default is None):
            known = False
            return encoding(match, found)
        if default is not None:
            return encoding(match, default)
        lacking, known = True, False
        if unset == "report":
            hint = f"set it (a file `.env` will do), or give a default: `${{{name}:-default}}`"
            _report(reader, node, match.group(), f"environment variable `{name}` is not set", hint)
        return match.group()

    text = REFERENCE.sub(value, node.text)
    if failed or (lacking and unset != "keep"):
        return Broken(node.start, node.end)
    # The quotes in `"${WORKERS}"` are there for the braces: a number that came so is one.
    plain = node.plain or isinstance(core_value(text), bool | int | float)
    # What comes from defaults alone stands in the file, and may be shown.
    return Scalar(text, plain, node.start, node.end, text if known else node.text)


def _report(reader: Reader | None, node: Scalar, reference: str, message: str, hint: str) -> None:
    """Report at the reference itself, where it can be found in the scalar's first line."""
    if reader is None:
        return
    place = reader.at(node)
    column = place.source.find(reference, node.start.column) if place.source else -1
    if column >= 0:
        place = reader.source.point(node.start.line, column, len(reference))
    reader.problems.report(message, hint, place)
