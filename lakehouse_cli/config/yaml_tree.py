"""YAML text → a tree of nodes with their places; nothing in it is interpreted but its structure.

The parser's events are read straight into a small tree, for three reasons: libyaml's own composer recurses in C and
crashes on deep nesting, it resolves scalars by YAML 1.1 (``no`` is false), and it takes twice as long. Here merge
keys are resolved, duplicate keys found, tags refused and the expansion of aliases bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.scalars import NULLS
from lakehouse_cli.config.source import Mark, SourceFile
from lakehouse_cli.config.yaml_syntax import explain
from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.counts import count_text

#: Deeper nesting is refused; a project file needs five levels.
MAX_DEPTH = 64
#: A document that holds more values than this is refused before the rest is read: each takes a quarter of a kilobyte.
MAX_WRITTEN = 500_000
#: One that holds more than this, each alias counted as what it stands for, is refused too.
MAX_VALUES = 1_000_000

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset(("str", "int", "float", "bool", "null"))


class Scalar:
    """One scalar as written.

    Attributes:
        text: Its text, quotes and escapes resolved.
        plain: Whether it stands without quotes, so that it may mean a number, true, false or null.
        shown: What messages may show of it: the text before variables were filled in.
    """

    __slots__ = ("end", "plain", "shown", "start", "text")
    size = 1
    height = 0

    def __init__(self, text: str, plain: bool, start: Mark, end: Mark, shown: str | None = None) -> None:
        self.text = text
        self.plain = plain
        self.start = start
        self.end = end
        self.shown = text if shown is None else shown

    @property
    def is_null(self) -> bool:
        """Whether it says that there is no value."""
        return self.plain and self.text in NULLS


class Sequence:
    """A list; `size` counts all values in it, `height` their levels, aliases expanded."""

    __slots__ = ("end", "height", "items", "size", "start")

    def __init__(self, items: list[Node], size: int, start: Mark, end: Mark, height: int = 1) -> None:
        self.items = items
        self.size = size
        self.height = height
        self.start = start
        self.end = end


class Mapping:
    """A map with its merges resolved: key text → (key, value), in order, merged keys first."""

    __slots__ = ("end", "entries", "height", "size", "start")

    def __init__(
        self, entries: dict[str, tuple[Scalar, Node]], size: int, start: Mark, end: Mark, height: int = 1
    ) -> None:
        self.entries = entries
        self.size = size
        self.height = height
        self.start = start
        self.end = end

    def get(self, name: str) -> Node | None:
        """The value of a key; None where it is not there."""
        entry = self.entries.get(name)
        return None if entry is None else entry[1]

    def having(self, entries: dict[str, tuple[Scalar, Node]]) -> Mapping:
        """A map at the same place with other entries."""
        return Mapping(entries, self.size, self.start, self.end)


class Broken:
    """Stands for a node about which a problem is already reported; nothing more is said of it."""

    __slots__ = ("end", "start")
    size = 1
    height = 0

    def __init__(self, start: Mark, end: Mark) -> None:
        self.start = start
        self.end = end


Node = Scalar | Sequence | Mapping | Broken


class _UnreadableError(Exception):
    """The document cannot be read any further."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def parse_yaml(source: SourceFile, problems: Problems, *, parser: Callable[[str], Any] | None = None) -> Node | None:
    """Parse one document; None where it is empty or cannot be parsed, the latter with a problem.

    Args:
        source: The text.
        problems: Takes what is found.
        parser: Makes an object with ``get_event`` from a text; by default libyaml's, where PyYAML was built with it.
    """
    make = parser or _libyaml_parser() or PurePythonParser
    try:
        return _Builder(source, problems, make(source.parsed).get_event).document()
    except yaml.MarkedYAMLError as error:
        problems.add(explain(error, source))
    except yaml.YAMLError as error:
        problems.report(f"`{source.name}` is not YAML: {str(error).splitlines()[0]}", None, Location(source.name))
    except _UnreadableError as stop:
        problems.add(stop.problem)
    return None


def _libyaml_parser() -> Callable[[str], Any] | None:
    try:
        from yaml import cyaml
    except ImportError:
        return None
    parser: Callable[[str], Any] = vars(cyaml)["CParser"]
    return parser


class PurePythonParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's own parser, for installations without libyaml; some eight times slower."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


def _end(event: Any) -> Mark:
    mark: Mark = event.end_mark
    return mark


class _Builder:
    """Reads the events of one document into nodes; events are `Any`, since two parsers make them."""

    def __init__(self, source: SourceFile, problems: Problems, get_event: Callable[[], Any]) -> None:
        self.source = source
        self.problems = problems
        self.next = get_event
        self.anchors: dict[str, Node] = {}
        self.open: set[str] = set()
        self.depth = 0
        self.written = 0

    def document(self) -> Node | None:
        self.next()  # the stream's start
        if isinstance(self.next(), StreamEndEvent):
            return None
        root = self.node(self.next())
        self.next()  # the document's end
        after = self.next()
        if not isinstance(after, StreamEndEvent):
            place = self.source.location(after.start_mark, after.end_mark)
            hint = "keep one document in the file, and move the others to files named in `include`"
            self.problems.report(f"a second YAML document begins in `{self.source.name}`", hint, place)
        return root

    def node(self, event: Any) -> Node:
        kind = event.__class__
        if kind is ScalarEvent:
            node: Node = Scalar(event.value, not event.style, event.start_mark, event.end_mark)
            if event.tag is None and event.anchor is None:
                return node
        elif kind is AliasEvent:
            return self.alias(event)
        else:
            node = self.collection(event)
        if event.tag is not None:
            node = self.tagged(event, node)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def collection(self, event: Any) -> Node:
        anchor = event.anchor
        self.check_depth(event, 1)
        self.depth += 1
        if anchor is not None:
            self.open.add(anchor)
        node: Node = self.mapping(event) if isinstance(event, MappingStartEvent) else self.sequence(event)
        self.depth -= 1
        if anchor is not None:
            self.open.discard(anchor)
        if node.size > MAX_VALUES:
            message = f"with its aliases expanded this holds more than {count_text(MAX_VALUES)} values"
            place = self.source.location(event.start_mark, event.end_mark)
            raise _UnreadableError(Problem(message, "use fewer aliases of aliases", place))
        return node

    def too_many(self, event: Any) -> _UnreadableError:
        message = f"`{self.source.name}` holds more than {count_text(MAX_WRITTEN)} values"
        place = self.source.location(event.start_mark, event.end_mark)
        return _UnreadableError(Problem(message, "split its tables over files named in `include`", place))

    def check_depth(self, event: Any, levels: int) -> None:
        """Refuse what recursive functions could not walk."""
        if self.depth + levels > MAX_DEPTH:
            place = self.source.location(event.start_mark, event.end_mark)
            raise _UnreadableError(Problem(f"values are nested more than {MAX_DEPTH} deep", "flatten them", place))

    def sequence(self, start: Any) -> Node:
        items: list[Node] = []
        size = 1
        height = 0
        event = self.next()
        while event.__class__ is not SequenceEndEvent:
            item = self.node(event)
            self.written += 1
            items.append(item)
            size += item.size
            height = max(height, item.height)
            if self.written > MAX_WRITTEN:
                raise self.too_many(event)
            event = self.next()
        return Sequence(items, size, start.start_mark, _end(event), height + 1)

    def mapping(self, start: Any) -> Node:
        entries: dict[str, tuple[Scalar, Node]] = {}
        merges: list[Mapping] = []
        merge_key: Scalar | None = None
        size = 1
        height = 0
        read, node = self.next, self.node
        event = read()
        while event.__class__ is not MappingEndEvent:
            key = node(event)
            value = node(read())
            size += value.size + 1
            if value.height >= height:
                height = value.height
            self.written += 2
            if self.written > MAX_WRITTEN:
                raise self.too_many(event)
            event = read()
            if not isinstance(key, Scalar):
                self.report_key(key)
            elif key.text == "<<" and key.plain:
                if merge_key is not None:
                    self.report_duplicate(
                        key, {key.text: (merge_key, value)}, "merge several maps with a list: `<<: [*a, *b]`"
                    )
                merge_key = key
                merges += self.merged(value)
            elif key.text in entries:
                self.report_duplicate(key, entries, "keep one of the two")
            else:
                entries[key.text] = (key, value)
        if merges:
            # The first of several merged maps wins over the later ones, what is written here over all.
            over: dict[str, tuple[Scalar, Node]] = {}
            for merged in merges:
                over |= {name: entry for name, entry in merged.entries.items() if name not in over}
                size += merged.size
            entries = over | entries
        return Mapping(entries, size, start.start_mark, _end(event), height + 1)

    def merged(self, value: Node) -> list[Mapping]:
        """The maps that a merge key brings in; https://yaml.org/type/merge.html."""
        found: list[Mapping] = []
        for item in value.items if isinstance(value, Sequence) else [value]:
            if isinstance(item, Mapping):
                found.append(item)
            elif not isinstance(item, Broken):
                place = self.source.location(item.start, item.end)
                self.problems.report("`<<` merges maps, and this is none", "give it an alias of a map: `<<: *x`", place)
        return found

    def report_key(self, key: Node) -> None:
        if not isinstance(key, Broken):
            place = self.source.location(key.start, key.end)
            self.problems.report("a key is a text, not a list or a map", "put it in quotes if it is a text", place)

    def report_duplicate(self, key: Scalar, entries: dict[str, tuple[Scalar, Node]], hint: str) -> None:
        first = entries[key.text][0]
        behind = [*entries.values()][[*entries].index(key.text) + 1 :]
        if any(isinstance(value, Broken) for _, value in behind):
            return  # of a map that is reported to begin there
        at, message = key, f"{quoted(key.text)} is here twice, first on line {count_text(first.start.line + 1)}"
        empty = next(
            (each for each, value in behind if isinstance(value, Scalar) and value.plain and not value.shown), None
        )
        if empty is not None:
            at, message = empty, f"{quoted(empty.text)} holds nothing, and {quoted(key.text)} below it is here twice"
            hint = f"indent {quoted(empty.text)} less, or what belongs to it more"
            entries[empty.text] = empty, Broken(empty.start, empty.end)
        self.problems.report(message, hint, self.source.location(at.start, at.end))

    def alias(self, event: Any) -> Node:
        name: str = event.anchor
        if name in self.anchors and name not in self.open:
            self.check_depth(event, self.anchors[name].height)
            return self.anchors[name]
        place = self.source.location(event.start_mark, event.end_mark)
        if name in self.open:
            self.problems.report(f"alias `*{name}` stands inside what it refers to", "remove it", place)
        else:
            close = did_you_mean(name, self.anchors, written="*{}")
            hint = close or f"put `&{name}` before the value it stands for; a text that begins with `*` needs quotes"
            self.problems.report(f"alias `*{name}` has no anchor above it", hint, place)
        return Broken(event.start_mark, event.end_mark)

    def tagged(self, event: Any, node: Node) -> Node:
        """Apply a core tag; refuse any other, which would ask for an object to be made."""
        tag: str = event.tag
        short = tag.removeprefix(_CORE) if tag.startswith(_CORE) else None
        if isinstance(node, Broken):
            return node
        if isinstance(node, Scalar):
            if tag == "!" or short == "str":
                node.plain = False
                return node
            if short in _SCALAR_TAGS:
                node.plain = True
                return node
        elif tag == "!" or short == ("map" if isinstance(node, Mapping) else "seq"):
            return node
        name = f"!!{short}" if short is not None else tag
        place = self.source.tag(node.start)
        known = short is not None and (short in _SCALAR_TAGS or short in ("map", "seq"))
        message = f"tag {quoted(name)} {'does not fit its value' if known else 'is not allowed'}"
        hint = "remove the tag" if known else "remove it: a project file holds plain values, and makes no objects"
        self.problems.report(message, hint, place)
        return Broken(node.start, node.end)
