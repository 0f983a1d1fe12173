"""Tables of every type, drawn of one seed each: to draw one of Hypothesis takes longer than to write and read it."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

import pyarrow as pa
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow.maps import map_of, pairs_of
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.model import Column, ColumnType

LAW = settings(max_examples=100, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
RANGES = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
RANGES |= {f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)}
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "+05:30", "-11:00")
TRICKY = ["", "NA", "null", "nan", "M", "007", "+1", " x ", "a,b", 'say "so"', "\r", "\n", "\r\n", "\u2028", "\ufeff"]
TRICKY += ["😀", "\t", ";", "'", "true", "1", "\x00", "\x85", "\\", '"', '""', "0x10", "-0", "1e400", "[]", "{}"]
_PLAIN = (*RANGES, "float32", "float64", "bool", "string", "binary", "date32")
_FLOATS = [0.0, -0.0, 0.5, 1.1, 1.5, 1 / 3, 0.1, 1e6, 1e-5, 1e15, 1e16, 1e22, 1e23, 5e-324, 2.2250738585072014e-308]
_FLOATS += [1.7976931348623157e308, 1 + 2**-52, 2.0**24 + 1, 2.0**53, 2.0**53 - 1, 2.0**63, math.inf, math.nan]
_FLOATS_OF_32 = [1.401298464324817e-45, 1.1754943508222875e-38, 3.4028234663852886e38, 1 + 2**-23, 2.0**24, 2.0**31]
Made = tuple[pa.Table, list[Column]]
Kinds = Callable[[Random], ColumnType]
T = TypeVar("T")


class Chance(Random):
    """Choices of one seed, which Hypothesis shows of an example that fails: the same again is drawn of it."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._shown = f"Chance({seed})"

    def __repr__(self) -> str:
        return self._shown


CHANCES = st.integers(0, 2**32 - 1).map(Chance)


def text(chance: Random, most: int = 6, *, least: int = 0) -> str:
    """A few characters of all that there are, or what is known to be tricky."""
    if not least and chance.random() < 0.4:
        return chance.choice(TRICKY)
    return "".join(character(chance) for _ in range(chance.randint(least, most)))


def character(chance: Random) -> str:
    found = chance.randrange(chance.choice((128, 128, 0x300, 0x3000, 0x10000, 0x110000)))
    return "\ufffd" if 0xD800 <= found < 0xE000 else chr(found)


def integer(chance: Random, low: int, high: int) -> int:
    """One of a range: an end, a small one, or one of any length."""
    how = chance.random()
    if how < 0.2:
        return chance.choice((low, high, max(low, min(0, high))))
    if how < 0.4:
        return max(low, min(high, chance.randint(-130, 130)))
    if how < 0.7:
        found = chance.getrandbits(chance.randint(1, max(-low, high).bit_length())) * chance.choice((1, -1))
        if low <= found <= high:
            return found
    return chance.randint(low, high)


def floating(chance: Random, bits: int) -> float:
    """A special one, a short one, a whole one, or one of any bits."""
    how = chance.random()
    if how < 0.25:
        found = chance.choice(_FLOATS_OF_32 if bits == 32 and how < 0.1 else _FLOATS) * chance.choice((1, -1))
    elif how < 0.5:
        found = chance.randint(-(10**6), 10**6) / 10 ** chance.randrange(6)
    elif how < 0.6:
        found = float(integer(chance, -(2**63), 2**63))
    else:
        [found] = struct.unpack("<f" if bits == 32 else "<d", chance.randbytes(bits // 8))
    if bits == 32:  # a number too large for it is infinite
        return pa.scalar(found, pa.float64()).cast(pa.float32(), safe=False).as_py()  # type: ignore[no-any-return]
    return float(found)


def scalar_type(chance: Random) -> ColumnType:
    kind = chance.choice((*_PLAIN[::2], "timestamp", "time32", "time64", "duration", "decimal128", *_PLAIN[1::2]))
    match kind:
        case "timestamp":
            zone = chance.choice(ZONES) if chance.random() < 0.5 else None
            return ColumnType(kind, unit=chance.choice(tuple(PER_SECOND)), timezone=zone)
        case "duration":
            return ColumnType(kind, unit=chance.choice(tuple(PER_SECOND)))
        case "time32" | "time64":
            return ColumnType(kind, unit=chance.choice(("s", "ms") if kind == "time32" else ("us", "ns")))
        case "decimal128":
            precision = chance.randint(1, 38)
            return ColumnType(kind, precision=precision, scale=chance.randint(0, precision))
    return ColumnType(kind)


def flat_type(chance: Random) -> ColumnType:
    kind = scalar_type(chance)
    return ColumnType("dictionary", fields=(("values", kind),)) if chance.random() < 0.3 else kind


def column_type(chance: Random, leaves: int = 4, depth: int = 3) -> ColumnType:
    """A type of at most so many scalar ones, nested so deep at the most."""
    if depth == 0 or chance.random() < 0.5:
        return flat_type(chance)
    match chance.choice(("list", "struct", "map") if leaves > 1 else ("list", "struct")):
        case "list":
            return list_type(chance, leaves, depth)
        case "struct":
            names = unique_texts(chance, chance.randint(1, min(3, leaves)))
            return ColumnType(
                "struct", fields=tuple((name, column_type(chance, leaves // len(names), depth - 1)) for name in names)
            )
    key = first_that(lambda kind: kind.is_key_of_maps, lambda: scalar_type(chance))
    return ColumnType("map", fields=(("key", key), ("value", column_type(chance, leaves - 1, depth - 1))))


def has_seconds(kind: ColumnType) -> bool:
    return (kind.id == "timestamp" and kind.unit == "s") or any(has_seconds(child) for _, child in kind.fields)


def list_type(chance: Random, leaves: int = 4, depth: int = 3) -> ColumnType:
    return ColumnType("list", fields=(("item", column_type(chance, leaves, depth - 1)),))


def first_that(holds: Callable[[T], bool], draw: Callable[[], T]) -> T:
    """Draw until something holds."""
    while not holds(found := draw()):
        pass
    return found


def unique_texts(chance: Random, count: int, key: Callable[[str], Any] = str) -> list[str]:
    """Names of columns, no two of the same key."""
    found: dict[Any, str] = {}
    while len(found) < count:
        name = text(chance, 5, least=1)
        found.setdefault(key(name), name)
    return list(found.values())


def value(chance: Random, kind: ColumnType) -> Any:
    """A value of a type as a Python object, or null; a moment as its count, which reaches further than datetime."""
    return None if chance.random() < 0.25 else present(chance, kind)


def values(chance: Random, kind: ColumnType, most: int) -> list[Any]:
    return [value(chance, kind) for _ in range(chance.randint(0, most))]


def present(chance: Random, kind: ColumnType) -> Any:
    """A value that is not null."""
    if kind.id in RANGES:
        return integer(chance, *RANGES[kind.id])
    match kind.id:
        case "float32" | "float64":
            return floating(chance, 32 if kind.id == "float32" else 64)
        case "bool":
            return chance.random() < 0.5
        case "string":
            return text(chance)
        case "binary":
            return chance.randbytes(chance.randrange(6))
        case "date32":
            return integer(chance, -(2**31), 2**31 - 1) if chance.random() < 0.5 else chance.randint(-30_000, 30_000)
        case "timestamp" | "duration":
            return integer(chance, -(2**63), 2**63 - 1) if chance.random() < 0.7 else chance.randint(-(10**11), 10**11)
        case "time32" | "time64":
            return integer(chance, 0, 86_400 * PER_SECOND[kind.unit or "s"] - 1)
        case "decimal128":
            limit = 10 ** (kind.precision or 1) - 1
            return Decimal(f"{integer(chance, -limit, limit)}E-{kind.scale}")
    return nested(chance, kind, value, present)


def nested(
    chance: Random,
    kind: ColumnType,
    of: Callable[[Random, ColumnType], Any],
    of_keys: Callable[[Random, ColumnType], Any],
) -> Any:
    """A value of a type of others, whose values and whose keys and entries of dictionaries are drawn by these."""
    match kind.id:
        case "dictionary":
            return of_keys(chance, kind.item)
        case "list":
            return [of(chance, kind.item) for _ in range(chance.randrange(4))]
        case "map":
            (_, key), (_, entry) = kind.fields
            return list({of_keys(chance, key): of(chance, entry) for _ in range(chance.randrange(4))}.items())
    return {name: of(chance, child) for name, child in kind.fields}


def common(chance: Random, kind: ColumnType) -> Any:
    """A value that no database and no engine has reason to refuse, or null."""
    return None if chance.random() < 0.25 else _common(chance, kind)


def _common(chance: Random, kind: ColumnType) -> Any:
    match kind.id:
        case "date32":
            return integer(chance, -100_000, 100_000)
        case "timestamp" | "duration":
            return integer(chance, *(sign * 2**31 * PER_SECOND[kind.unit or "s"] for sign in (-1, 1)))
        case "string":
            return text(chance, 20).replace("\0", "0")
        case "float32" | "float64":
            return first_that(lambda each: not math.isnan(each), lambda: present(chance, kind))
        case "dictionary" | "list" | "map" | "struct":
            return nested(chance, kind, common, _common)
    return present(chance, kind)


def storage_type(kind: ColumnType) -> pa.DataType:
    """The type with temporal leaves as integers, from which Arrow casts to the real one."""
    if kind.id in ("date32", "time32"):
        return pa.int32()
    if kind.id in ("timestamp", "time64", "duration"):
        return pa.int64()
    if kind.id == "dictionary":
        return storage_type(kind.item)
    if kind.id == "list":
        return pa.list_(storage_type(kind.item))
    if kind.id == "map":
        return pa.map_(*(storage_type(child) for _, child in kind.fields))
    if kind.id == "struct":
        return pa.struct([pa.field(name, storage_type(child)) for name, child in kind.fields])
    return to_arrow(kind)


def build(values: Sequence[Any], kind: ColumnType) -> pa.Array:
    """An array of a type from Python values with counts for moments."""
    if kind.id == "dictionary":
        return build(values, kind.item).dictionary_encode()
    if kind.id == "list":
        items = build([item for value in values for item in value or ()], kind.item)
        offsets, at = [0], 0
        for value in values:
            at += len(value or ())
            offsets.append(at)
        mask = pa.array([value is None for value in values], pa.bool_())
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, type=to_arrow(kind), mask=mask)
    if kind.id == "map":
        pair = ColumnType("struct", fields=kind.fields)
        pairs = [None if value is None else [{"key": k, "value": v} for k, v in value] for value in values]
        lists = build(pairs, ColumnType("list", fields=(("item", pair),)))
        return map_of(lists, to_arrow(kind))
    if kind.id == "struct":
        children = [build([(v or {}).get(name) for v in values], child) for name, child in kind.fields]
        mask = pa.array([value is None for value in values], pa.bool_())
        return pa.StructArray.from_arrays(children, fields=list(to_arrow(kind)), mask=mask)
    return pa.array(values, storage_type(kind)).cast(to_arrow(kind))


def plain(array: pa.Array, kind: ColumnType) -> list[Any]:
    """Values that compare equal only where the data are the same: floats by their bits, NaN by being one."""
    if kind.id == "dictionary":
        return plain(array.cast(array.type.value_type), kind.item)
    if kind.id == "list":
        items = iter(plain(array.flatten(), kind.item))
        lengths = array.value_lengths().to_pylist()
        return [None if length is None else [next(items) for _ in range(length)] for length in lengths]
    if kind.id == "map":
        pair = ColumnType("struct", fields=kind.fields)
        return plain(pairs_of(array), ColumnType("list", fields=(("item", pair),)))
    if kind.id == "struct":
        children = [plain(child, inner) for child, (_, inner) in zip(array.flatten(), kind.fields, strict=True)]
        rows = list(zip(*children, strict=True))
        return [row if valid else None for row, valid in zip(rows, array.is_valid().to_pylist(), strict=True)]
    if kind.is_float:
        return [_bits(value) for value in array.to_pylist()]
    return array.cast(storage_type(kind)).to_pylist()


def _bits(value: float | None) -> Any:
    return "nan" if value is not None and math.isnan(value) else None if value is None else struct.pack("<d", value)


def tables(chance: Random, kinds: Kinds = column_type) -> Made:
    """A table of a few columns and rows, shown where it fails, with what it is declared as."""
    types = [kinds(chance) for _ in range(chance.randint(1, 4))]
    rows = chance.randrange(7)
    columns = [Column(name, kind) for name, kind in zip(unique_texts(chance, len(types)), types, strict=True)]
    arrays = [build([value(chance, kind) for _ in range(rows)], kind) for kind in types]
    made = pa.Table.from_arrays(arrays, schema=pa.schema([(c.name, to_arrow(c.type)) for c in columns]))
    note(made)
    return made, columns
