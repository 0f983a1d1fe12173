"""Rows as they are written in a project file → Arrow, each value read by the type of its column.

A scalar is taken by its text as it is written, whatever YAML would make of it: `0123`, `1e3` and `NO` stay themselves
in a string, and decimals keep all digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import pyarrow as pa
from msgspec import Struct

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.types import from_arrow
from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.reading import Reader, shown
from lakehouse_cli.config.transform_tests import Rows
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar
from lakehouse_cli.config.yaml_tree import Sequence as Items
from lakehouse_cli.formats.csv.codec import decode
from lakehouse_cli.formats.csv.infer import infer_column
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.text.close_names import did_you_mean

_TEXT = pa.string()
# As YAML writes them; the words alone are read too.
_FLOAT_WORDS = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_PLAIN = CsvOptions(true_values=("true", "True", "TRUE"), false_values=("false", "False", "FALSE"))
_SHAPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_timestamp, "write it as in `2024-01-31 12:30:00`"),
    (pa.types.is_date, "write it as in `2024-01-31`"),
    (pa.types.is_time, "write it as in `12:30:00`"),
    (pa.types.is_duration, "write a number of seconds"),
    (pa.types.is_boolean, "write `true` or `false`"),
    (pa.types.is_binary, "write its bytes in base64"),
    (pa.types.is_list, "write a list: `[1, 2]`"),
    (pa.types.is_struct, "write a map of its fields: `{name: value}`"),
    (pa.types.is_map, "write a map of its keys: `{key: value}`"),
)


class RowReader(Struct, frozen=True):
    """Reads the rows of one table in a test.

    Attributes:
        reader: Of the file they stand in.
        problems: Takes what is found.
        what: What messages call the table: "`given` of table `orders`".
    """

    reader: Reader
    problems: Problems
    what: str

    def check_names(self, rows: Rows, known: Sequence[str]) -> bool:
        """Whether rows name columns that there are; reports the others, each once."""
        unknown: dict[str, Scalar] = {}
        for row in rows.rows:
            for name, (key, _) in row.entries.items():
                if name not in known:
                    unknown.setdefault(name, key)
        for name, key in unknown.items():
            hint = did_you_mean(name, known) or f"its columns are {', '.join(f'`{each}`' for each in known)}"
            self._report(key, f"{self.what} has no column {quoted(name)}", hint)
        return not unknown

    def column(self, rows: Rows, name: str, kind: pa.DataType) -> pa.Array:
        """The values of one column; null where a row leaves it out, and where a value is reported."""
        return self._values([_value(row, name) for row in rows.rows], kind, name)

    def inferred(self, rows: Rows, name: str) -> pa.Array:
        """The values of a column of no declared type, in the first type that keeps all of their texts."""
        nodes = [_value(row, name) for row in rows.rows]
        for node in nodes:
            if isinstance(node, Items | Mapping):
                hint = "declare the columns of that table, with the type of this one"
                self._report(node, f"column {quoted(name)} of {self.what} holds {shown(node)}, and has no type", hint)
                return pa.nulls(len(nodes), _TEXT)
        texts = [node.text if isinstance(node, Scalar) and not node.is_null else None for node in nodes]
        column = av.array(texts, _TEXT)
        if any(isinstance(node, Scalar) and not node.plain for node in nodes):  # a text in quotes is meant as one
            return column
        return infer_column(pa.chunked_array([column]), _PLAIN).combine_chunks()

    def _values(self, nodes: Sequence[Node | None], kind: pa.DataType, name: str) -> pa.Array:
        t = pa.types
        if t.is_list(kind):
            return self._lists(nodes, kind, name)
        if t.is_struct(kind):
            return self._structs(nodes, kind, name)
        if t.is_map(kind):
            return self._maps(nodes, kind, name)
        texts = [self._text(node, kind, name) for node in nodes]
        found = decode(av.array(texts, _TEXT), kind, _PLAIN)
        is_valid = found.is_valid().to_pylist()
        exact = _integers_kept(texts, found, kind)
        for node, text, fits, kept in zip(nodes, texts, is_valid, exact, strict=True):
            if node is not None and text is not None and not (fits and kept):
                self._misfit(node, kind, name)
        return found

    def _text(self, node: Node | None, kind: pa.DataType, name: str) -> str | None:
        if _is_null(node) or isinstance(node, Broken):
            return None
        if not isinstance(node, Scalar):
            assert node is not None  # noqa: S101  # which is null
            self._misfit(node, kind, name)
            return None
        if node.plain and node.text == "NaT" and pa.types.is_temporal(kind):
            return None
        return _FLOAT_WORDS.get(node.text.lower(), node.text) if pa.types.is_floating(kind) else node.text

    def _of_shape(
        self, nodes: Sequence[Node | None], shape: type, kind: pa.DataType, name: str
    ) -> Iterator[Node | None]:
        """Nodes of a shape, None for null; the others are reported."""
        for node in nodes:
            if isinstance(node, shape):
                yield node
                continue
            if not _is_null(node) and node is not None and not isinstance(node, Broken):
                self._misfit(node, kind, name)
            yield None

    def _lists(self, nodes: Sequence[Node | None], kind: pa.DataType, name: str) -> pa.Array:
        lists = list(self._of_shape(nodes, Items, kind, name))
        items = [item for each in lists if isinstance(each, Items) for item in each.items]
        values = self._values(items, kind.value_type, name)
        return pa.ListArray.from_arrays(_offsets(lists), values).cast(kind)

    def _structs(self, nodes: Sequence[Node | None], kind: pa.DataType, name: str) -> pa.Array:
        maps = list(self._of_shape(nodes, Mapping, kind, name))
        fields = [kind.field(index) for index in range(kind.num_fields)]
        names = [field.name for field in fields]
        for each in maps:
            for key, _ in each.entries.values() if isinstance(each, Mapping) else ():
                if key.text not in names:
                    self._report(
                        key, f"column {quoted(name)} has no field {quoted(key.text)}", did_you_mean(key.text, names)
                    )
        columns = [
            self._values([_value(each, field.name) for each in maps], field.type, f"{name}.{field.name}")
            for field in fields
        ]
        return pa.StructArray.from_arrays(columns, fields=fields, mask=_mask(maps))

    def _maps(self, nodes: Sequence[Node | None], kind: pa.DataType, name: str) -> pa.Array:
        maps = list(self._of_shape(nodes, Mapping, kind, name))
        pairs = [pair for each in maps if isinstance(each, Mapping) for pair in each.entries.values()]
        keys = self._values([key for key, _ in pairs], kind.key_type, name)
        values = self._values([value for _, value in pairs], kind.item_type, name)
        return pa.MapArray.from_arrays(_offsets(maps), keys, values).cast(kind)

    def _misfit(self, node: Node, kind: pa.DataType, name: str) -> None:
        hint = next((hint for fits, hint in _SHAPES if fits(kind)), None)
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            hint = "write it with its offset, as in `2024-01-31 12:30:00Z`"
        declared = from_arrow(kind) or kind
        message = f"{shown(node)} does not fit column {quoted(name)}, which is {declared} ({self.what})"
        self._report(node, message, hint or f"write a value of type {declared}")

    def _report(self, node: Node, message: str, hint: str | None) -> None:
        self.problems.report(message, hint, self.reader.at(node))


def _value(row: Node | None, name: str) -> Node | None:
    if not isinstance(row, Mapping) or name not in row.entries:
        return None
    return Reader.value(*row.entries[name])


def _is_null(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.is_null)


def _mask(nodes: Sequence[Node | None]) -> pa.Array:
    return av.array([node is None for node in nodes], pa.bool_())


def _offsets(nodes: Sequence[Node | None]) -> pa.Array:
    """Where the items of each begin; null where there is none."""
    counts = [len(n.items) if isinstance(n, Items) else len(n.entries) if isinstance(n, Mapping) else 0 for n in nodes]
    starts = list(accumulate(counts, initial=0))
    return av.array(
        [None if node is None else at for node, at in zip(nodes, starts, strict=False)] + starts[-1:], pa.int32()
    )


def _integers_kept(texts: Sequence[str | None], values: pa.Array, kind: pa.DataType) -> Iterator[bool]:
    """Whether each value is the integer that its text writes, where that writes one: a float may be none."""
    if not pa.types.is_floating(kind):
        yield from [True] * len(texts)
        return
    for text, value in zip(texts, values.to_pylist(), strict=True):
        is_integer = text is not None and value is not None and text.lstrip("+-").isdecimal()
        yield not is_integer or value == int(str(text))
