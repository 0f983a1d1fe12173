"""What a project file says of clusters: the options of their executors, and what tables ask of their workers."""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from typing import Any

from msgspec import Struct

from lakehouse_cli.config.keys import MEMORY_SIZE
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, keys_schema, read_keys
from lakehouse_cli.config.scalars import core_number
from lakehouse_cli.config.value_types import NAME_PATTERN, Duration, Text
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence

_A_SIZE = "a size such as `4GiB`"


_RECONNECT = Key(
    Duration(minimum=0),
    "How long a cluster that does not answer any more is waited for.",
    "60s",
    examples=("60s", "5m"),
)
_HEAD = Text(
    "`auto`, or the address of a head such as `10.0.0.5:6379`",
    r"auto|[^\s/]+:\d{1,5}",
    ("string",),
    hint="write the address that `ray start --head` shows; run lakehouse on a machine of the cluster",
)
#: Options by executor; those that are not named have none.
EXECUTOR_OPTIONS: AnyMapping[str, AnyMapping[str, Key]] = {
    "dask": {
        "address": Key(Text("the address of a scheduler"), "Of the scheduler.", examples=("tcp://10.0.0.5:8786",)),
        "reconnect": _RECONNECT,
    },
    "ray": {
        "address": Key(
            _HEAD,
            "Of the head; `auto` is the cluster that this machine is of, or that of `RAY_ADDRESS`.",
            "auto",
            examples=("auto", "10.0.0.5:6379"),
        ),
        "reconnect": _RECONNECT,
    },
}
#: Executors whose workers are elsewhere.
CLUSTERS = tuple(EXECUTOR_OPTIONS)
#: The option without which an executor does not know where its cluster is.
NEEDED: AnyMapping[str, str] = {"dask": "address"}


def executor_options(reader: Reader, execution: Mapping, executor: str, options: Mapping | None) -> dict[str, Any]:
    """The options of an executor, with their defaults.

    Args:
        reader: Of the file.
        execution: The map that they are of.
        executor: Its name.
        options: As written; None where none are.
    """
    known = EXECUTOR_OPTIONS.get(executor)
    if known is None:
        for name, (key, _) in options.entries.items() if options is not None else ():
            reader.report(key, f"unknown option {quoted(name)} of the executor", "remove it: it has no options")
        return {}
    values, invalid = read_keys(reader, options, known, f"`options` of executor {executor}") if options else ({}, set())
    needed = NEEDED.get(executor)
    if needed is not None and needed not in values and needed not in invalid:
        reader.report(execution.entries["executor"][1], *lacks(executor))
    return values


def lacks(executor: str) -> tuple[str, str]:
    """What is said of an executor without an option that it needs, and what to do."""
    needed = NEEDED[executor]
    example = EXECUTOR_OPTIONS[executor][needed].examples[0]
    return f"executor {executor} lacks option `{needed}`", f'say where it is: `options: {{{needed}: "{example}"}}`'


class Resources(Struct, frozen=True):
    """The map ``{memory: 4GiB, gpus: 1}``."""

    def read(self, reader: Reader, node: Node, what: str) -> dict[str, tuple[float, ...]] | Invalid:
        """The amounts by name, each of one attempt after the other."""
        if not isinstance(node, Mapping):
            return reader.mismatch(node, what, "a map such as `{memory: 4GiB, gpus: 1}`")
        found: dict[str, tuple[float, ...] | Invalid] = {}
        for name, (key, value) in node.entries.items():
            if re.fullmatch(NAME_PATTERN, name) is None:
                found[name] = reader.report(key, f"{quoted(name)} in {what} is no name", "name what workers offer")
            elif name == "memory":
                found[name] = self._sizes(reader, reader.value(key, value), f"`memory` in {what}")
            else:
                found[name] = self._amount(reader, reader.value(key, value), f"{quoted(name)} in {what}")
        amounts = {name: amount for name, amount in found.items() if not isinstance(amount, Invalid)}
        return amounts if len(amounts) == len(found) else INVALID

    @staticmethod
    def _sizes(reader: Reader, node: Node, what: str) -> tuple[float, ...] | Invalid:
        items = node.items if isinstance(node, Sequence) and node.items else [node]
        sizes = []
        for item in items:
            if not isinstance(item, Scalar) or re.fullmatch(MEMORY_SIZE, item.text) is None:
                hint = "write a number and B, kB, MB, GB, KiB, MiB or GiB: `4GiB`"
                return reader.mismatch(item, what, f"{_A_SIZE}, or a list of such sizes", hint)
            sizes.append(float(size_in_bytes(item.text)))
        return tuple(sizes)

    @staticmethod
    def _amount(reader: Reader, node: Node, what: str) -> tuple[float, ...] | Invalid:
        number = core_number(node.text) if isinstance(node, Scalar) and node.plain else None
        if number is None or not 0 < number < float("inf"):
            return reader.mismatch(node, what, "a number above 0")
        return (float(number),)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        size: JsonSchema = {"type": "string", "pattern": f"^(?:{MEMORY_SIZE})$"}
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
            "properties": {"memory": {"anyOf": [size, {"type": "array", "items": size, "minItems": 1}]}},
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
        }


def options_of_executors() -> JsonSchema:
    """JSON Schema of `execution`: which options go with which executor."""
    other: JsonSchema = {"properties": {"options": {"maxProperties": 0}}}
    for executor, known in EXECUTOR_OPTIONS.items():
        needed = NEEDED.get(executor)
        options = keys_schema(known, f"Of executor {executor}.", filled_in=tuple(known))
        other = {
            "if": {"required": ["executor"], "properties": {"executor": {"const": executor}}},
            "then": {"properties": {"options": {**options, **({"required": [needed]} if needed else {})}}},
            "else": other,
        }
        if needed:
            other["then"]["required"] = ["options"]
    return other


_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def size_in_bytes(text: str) -> int:
    """The bytes of a size such as ``4GiB``.

    >>> size_in_bytes("1.5 kB")
    1500
    """
    digits = text.rstrip("BkKMGi ")
    return int(float(digits) * _UNITS[text[len(digits) :].strip()])
