"""``${VAR}`` and ``${VAR:-default}`` in storages, environments, execution and params.

Each is filled in once, where it stands; what was written goes on with the value, so that no message ever shows what was
filled in. That a variable is not set is reported when it turns out to be needed: another environment may override it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lakehouse_cli.config.dotenv import DotEnv
from lakehouse_cli.config.reading import Reader
from lakehouse_cli.config.scalars import core_value
from lakehouse_cli.config.source import PlacedMark
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence

REFERENCE = r"\$(?P<escape>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}|\$\{"

#: Makes of what a reference in a text stands for what is put in its place.
Encoding = Callable[[re.Match[str], str], str]


class Filled(Scalar):
    """A scalar with its variables filled in, as far as they are set.

    Attributes:
        written: The text as it stands in the file.
        was_plain: Whether it stands there without quotes.
        unset: Names of the variables that are not set; their references stay in the text.
        malformed: Whether a reference in it is none.
        set_it: How such variables can be set.
    """

    __slots__ = ("malformed", "set_it", "unset", "was_plain", "written")

    def __init__(
        self, node: Scalar, text: str, plain: bool, shown: str, unset: tuple[str, ...], malformed: bool, set_it: str
    ) -> None:
        super().__init__(text, plain, node.start, node.end, shown)
        self.written = node.text
        self.was_plain = node.plain
        self.unset = unset
        self.malformed = malformed
        self.set_it = set_it

    @property
    def known(self) -> bool:
        """Whether all of it was filled in."""
        return not (self.unset or self.malformed)


def as_it_is(match: re.Match[str], value: str) -> str:
    """The value that a reference stands for, unchanged."""
    del match
    return value


def fill(reader: Reader, node: Node, environ: DotEnv, encoding: Encoding = as_it_is) -> Node:
    """A copy of a node with the variables in its scalars filled in; `${` preceded by `$` stays `${`.

    As in a shell, ``:-`` gives the default where the variable is unset or empty.

    Args:
        reader: Of the file it stands in.
        node: A scalar, or a list or map of scalars.
        environ: The variables.
        encoding: Of what is put in the place of a variable in a scalar; not of scalars within another node.
    """
    if isinstance(node, Scalar) and "${" in node.text:
        return _filled(reader, node, environ, encoding)
    return _with_children(node, lambda child: fill(reader, child, environ))


def as_written(node: Node) -> Node:
    """A copy of a node in which quotes decide, as in the file, whether what was filled in is a text."""
    if isinstance(node, Filled):
        return Scalar(node.text, node.was_plain, node.start, node.end, node.shown)
    return _with_children(node, as_written)


def names_variables(node: Node) -> bool:
    """Whether variables are filled in somewhere in a node, be they set or not."""
    texts = (each.written if isinstance(each, Filled) else each.text for each in _scalars(node))
    return any(match["name"] for text in texts if "${" in text for match in re.finditer(REFERENCE, text))


def settle(node: Node, reader: Reader | None) -> Node:
    """A copy of a node without the scalars whose variables are not set; these are reported where there is a reader."""
    if not isinstance(node, Filled) or node.known:
        return _with_children(node, lambda child: settle(child, reader))
    if reader is not None:
        for name in node.unset:
            hint = f"{node.set_it}, or give a default: `${{{name}:-default}}`"
            _report(reader, node, f"${{{name}}}", f"environment variable `{name}` is not set", hint)
    return Broken(node.start, node.end)


def template_of(node: Node) -> Any:
    """A node as it is written, no variable filled in: maps, lists, and of each scalar its text and whether it is plain.

    >>> from lakehouse_cli.config.yaml_tree import Sequence
    >>> template_of(Sequence([], 0, None, None))
    []
    """
    if isinstance(node, Filled):
        return node.written, node.was_plain
    if isinstance(node, Mapping):
        return {name: template_of(value) for name, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [template_of(item) for item in node.items]
    return (node.text, node.plain) if isinstance(node, Scalar) else ("", True)


def unset_in(node: Node) -> Iterator[str]:
    """The names of the variables in a node that are not set and have no default."""
    for scalar in _scalars(node):
        if isinstance(scalar, Filled):
            yield from scalar.unset


def values_in(nodes: Iterable[Node], environ: DotEnv) -> dict[str, str]:
    """The variables that nodes name and that are set, whether or not they are filled in; value by name."""
    texts = (scalar.text for node in nodes for scalar in _scalars(node) if "${" in scalar.text)
    names = dict.fromkeys(match["name"] for text in texts for match in re.finditer(REFERENCE, text) if match["name"])
    found = {name: environ.get(name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _with_children(node: Node, change: Callable[[Node], Node]) -> Node:
    """A copy of a list or map with its values changed; any other node as it is."""
    if isinstance(node, Sequence):
        return Sequence([change(item) for item in node.items], node.size, node.start, node.end)
    if isinstance(node, Mapping):
        return node.having({name: (key, change(value)) for name, (key, value) in node.entries.items()})
    return node


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence | Mapping):
        children = node.items if isinstance(node, Sequence) else [value for _, value in node.entries.values()]
        for child in children:
            yield from _scalars(child)


def _filled(reader: Reader, node: Scalar, environ: DotEnv, encoding: Encoding) -> Node:
    unset: list[str] = []
    malformed = False
    known = True

    def value(match: re.Match[str]) -> str:
        nonlocal malformed, known
        name, default = match["name"], match["default"]
        if match["escape"]:
            known = False
            return "${"
        if name is None:
            hint = "write `${NAME}` or `${NAME:-default}`, and `$${` for the characters themselves"
            _report(reader, node, match.group(), "`${` begins no variable here", hint)
            malformed = True
            return ""
        found = environ.get(name)
        if found or (found is not None and default is None):
            known = False
            return encoding(match, found)
        if default is not None:
            return encoding(match, default)
        known = False
        unset.append(name)
        return match.group()

    text = re.sub(REFERENCE, value, node.text)
    # The quotes in `"${WORKERS}"` are there for the braces: a number that came so is one.
    plain = node.plain or isinstance(core_value(text), bool | int | float)
    # What comes from defaults alone stands in the file, and may be shown.
    return Filled(node, text, plain, text if known else node.text, tuple(unset), malformed, environ.set_it)


def _report(reader: Reader, node: Scalar, reference: str, message: str, hint: str) -> None:
    """Report at the reference itself, where it can be found in the scalar's first line."""
    place = reader.at(node)
    column = place.source.find(reference, node.start.column) if place.source else -1
    if column >= 0 and not isinstance(node.start, PlacedMark):
        place = reader.source.point(node.start.line, column, len(reference))
    reader.problems.report(message, hint, place)
