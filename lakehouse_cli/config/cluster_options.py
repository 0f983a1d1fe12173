"""What a project file says of clusters: the options of their executors, and what tables ask of their workers."""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from typing import Any

from msgspec import Struct

from lakehouse_cli.config.cluster_addresses import Address, address_pattern
from lakehouse_cli.config.keys import MEMORY_SIZE
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, keys_schema, read_keys
from lakehouse_cli.config.scalars import core_number
from lakehouse_cli.config.value_types import NAME_PATTERN, Duration
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence

_A_SIZE = "a size such as `4GiB`"


_RECONNECT = Key(
    Duration(minimum=0),
    "How long a cluster that does not answer any more is waited for.",
    "60s",
    examples=("60s", "5m"),
)
_DASHBOARD = "that of a dashboard is another: write that of the {}, as in `{}`"
# The protocols of Dask's that have a host and a port.
_SCHEMES = ("tcp", "tls", "ws", "wss", "ucx", "ucxx")
_SCHEDULER = Address(
    "the address of a scheduler such as `tcp://10.0.0.5:8786`",
    address_pattern(_SCHEMES),
    ("string",),
    example="tcp://10.0.0.5:8786",
    schemes=_SCHEMES,
    others=(
        *((scheme, _DASHBOARD.format("scheduler", "tcp://10.0.0.5:8786")) for scheme in ("http", "https")),
        ("ray", "a cluster of Ray is reached by `executor: ray`, from a machine of it"),
    ),
    credentials="write `tls://` with a host and a port: Dask has certificates from variables of its own, such as"
    " `DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT`",
)
_HEAD = Address(
    "`auto`, or the address of a head such as `10.0.0.5:6379`",
    address_pattern((), "auto"),
    ("string",),
    example="10.0.0.5:6379",
    others=(
        *((scheme, _DASHBOARD.format("head", "10.0.0.5:6379")) for scheme in ("http", "https")),
        ("ray", "write the address that `ray start --head` shows; run lakehouse on a machine of the cluster"),
        *((scheme, "a cluster of Dask is reached by `executor: dask`") for scheme in _SCHEMES),
    ),
    word="auto",
    credentials="write a host and a port: Ray has a token, or certificates, from variables of its own, such as"
    " `RAY_AUTH_TOKEN_PATH`",
)
#: Options by executor; those that are not named have none.
EXECUTOR_OPTIONS: AnyMapping[str, AnyMapping[str, Key]] = {
    "dask": {
        "address": Key(_SCHEDULER, "Of the scheduler.", examples=("tcp://10.0.0.5:8786",)),
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


def executor_options(reader: Reader, execution: Mapping, executor: str, options: Node | None) -> dict[str, Any]:
    """The options of an executor, with their defaults.

    Args:
        reader: Of the file.
        execution: The map that they are of.
        executor: Its name.
        options: With variables filled in; None where there are none. What is no map is reported already.
    """
    if not isinstance(options, Mapping | None):
        return {}
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
    for executor in EXECUTOR_OPTIONS:
        needed = NEEDED.get(executor)
        options = _options_of(executor)
        other = {
            "if": {"required": ["executor"], "properties": {"executor": {"const": executor}}},
            "then": {"properties": {"options": {**options, **({"required": [needed]} if needed else {})}}},
            "else": other,
        }
        if needed:
            other["then"]["required"] = ["options"]
    return other


def options_of_any_executor() -> JsonSchema:
    """JSON Schema of options of an executor that is named elsewhere."""
    return {"type": "object", "anyOf": [*map(_options_of, EXECUTOR_OPTIONS)]}


def _options_of(executor: str) -> JsonSchema:
    known = EXECUTOR_OPTIONS[executor]
    return keys_schema(known, f"Of executor {executor}.", filled_in=tuple(known))


_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def size_in_bytes(text: str) -> int:
    """The bytes of a size such as ``4GiB``.

    >>> size_in_bytes("1.5 kB")
    1500
    """
    digits = text.rstrip("BkKMGi ")
    return int(float(digits) * _UNITS[text[len(digits) :].strip()])
