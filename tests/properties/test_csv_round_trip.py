"""What is written with a contract is read back equal: types, nulls, and values to the last bit."""

from __future__ import annotations

import datetime as dt
import io
import math
import re
import struct
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from lakehouse_cli.arrow.maps import map_of, pairs_of
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv
from lakehouse_cli.formats.csv.write import write_csv
from lakehouse_cli.model import Column, ColumnType, parse_column_type

LAW = settings(max_examples=100, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
RANGES = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
RANGES |= {f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)}
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "+05:30", "-11:00")
TRICKY = ["", "NA", "null", "nan", "M", "007", "+1", " x ", "a,b", 'say "so"', "\r", "\n", "\r\n", "\u2028", "\ufeff"]
TRICKY += ["😀", "\t", ";", "'", "true", "1", "\x00", "\x85", "\\", '"', '""', "0x10", "-0", "1e400", "[]", "{}"]

texts = st.one_of(st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
scalar_types = st.one_of(
    st.sampled_from([*RANGES, "float32", "float64", "bool", "string", "binary", "date32"]).map(ColumnType),
    st.builds(
        ColumnType,
        st.just("timestamp"),
        unit=st.sampled_from(list(PER_SECOND)),
        timezone=st.one_of(st.none(), st.sampled_from(ZONES)),
    ),
    st.builds(ColumnType, st.just("time32"), unit=st.sampled_from(["s", "ms"])),
    st.builds(ColumnType, st.just("time64"), unit=st.sampled_from(["us", "ns"])),
    st.builds(ColumnType, st.just("duration"), unit=st.sampled_from(list(PER_SECOND))),
    st.integers(1, 38).flatmap(
        lambda precision: st.builds(
            ColumnType, st.just("decimal128"), precision=st.just(precision), scale=st.integers(0, precision)
        )
    ),
)
flat_types = st.one_of(
    scalar_types, scalar_types.map(lambda kind: ColumnType("dictionary", fields=(("values", kind),)))
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


def _struct_types(children: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[ColumnType]:
    fields = st.lists(st.tuples(names, children), min_size=1, max_size=3, unique_by=lambda pair: pair[0])
    return fields.map(lambda pairs: ColumnType("struct", fields=tuple(pairs)))


def _map_types(children: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[ColumnType]:
    keys = scalar_types.filter(lambda kind: kind.is_key_of_maps)
    return st.tuples(keys, children).map(lambda pair: ColumnType("map", fields=(("key", pair[0]), ("value", pair[1]))))


column_types = st.recursive(
    flat_types,
    lambda children: st.one_of(
        children.map(lambda kind: ColumnType("list", fields=(("item", kind),))),
        _struct_types(children),
        _map_types(children),
    ),
    max_leaves=4,
)


@cache
def values_of(kind: ColumnType) -> st.SearchStrategy[Any]:
    """Values of a type as Python objects; temporal ones as their counts, which reach further than datetime."""
    return st.one_of(st.none(), _present(kind))


@cache
def _present(kind: ColumnType) -> st.SearchStrategy[Any]:
    if kind.id in RANGES:
        low, high = RANGES[kind.id]
        return st.one_of(st.sampled_from([low, high, 0]), st.integers(low, high))
    if kind.is_float:
        return st.floats(width=32 if kind.id == "float32" else 64)
    if kind.id == "bool":
        return st.booleans()
    if kind.id == "string":
        return texts
    if kind.id == "binary":
        return st.binary(max_size=5)
    if kind.id == "date32":
        return st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-30_000, 30_000))
    if kind.id in ("timestamp", "duration"):
        far = st.integers(-(2**63), 2**63 - 1)
        return st.one_of(far, st.sampled_from([-(2**63), 2**63 - 1, 0, -1]), st.integers(-(10**11), 10**11))
    if kind.id in ("time32", "time64"):
        return st.integers(0, 86_400 * PER_SECOND[kind.unit or "s"] - 1)
    if kind.id == "decimal128":
        limit = 10 ** (kind.precision or 1) - 1
        unscaled = st.one_of(st.integers(-limit, limit), st.integers(-min(limit, 99), min(limit, 99)))
        return unscaled.map(lambda n: Decimal(f"{n}E-{kind.scale}"))
    if kind.id == "dictionary":
        return _present(kind.item)
    if kind.id == "list":
        return st.lists(values_of(kind.item), max_size=3)
    if kind.id == "map":
        (_, key), (_, value) = kind.fields
        pairs = st.tuples(_present(key), values_of(value))
        return st.lists(pairs, max_size=3, unique_by=lambda pair: pair[0])
    return st.fixed_dictionaries({name: values_of(child) for name, child in kind.fields})


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


@st.composite
def tables(draw: st.DrawFn, kinds: st.SearchStrategy[ColumnType] = column_types) -> tuple[pa.Table, list[Column]]:
    types = draw(st.lists(kinds, min_size=1, max_size=4))
    column_names = draw(st.lists(names, min_size=len(types), max_size=len(types), unique=True))
    rows = draw(st.integers(0, 6))
    columns = [Column(name, kind) for name, kind in zip(column_names, types, strict=True)]
    arrays = [build(draw(st.lists(values_of(kind), min_size=rows, max_size=rows)), kind) for kind in types]
    return pa.Table.from_arrays(arrays, schema=pa.schema([(c.name, to_arrow(c.type)) for c in columns])), columns


def written(table: pa.Table, options: CsvOptions) -> bytes:
    sink = io.BytesIO()
    write_csv(table, sink, options)
    return sink.getvalue()


def assert_comes_back(table: pa.Table, columns: list[Column], options: CsvOptions) -> None:
    data = written(table, options)
    back = read_csv(lambda: io.BytesIO(data), "x.csv", columns, options)
    back.validate(full=True)
    assert back.schema == table.schema
    assert back.num_rows == table.num_rows
    for column in columns:
        before, after = (t[column.name].combine_chunks() for t in (table, back))
        before, after = (a.chunk(0) if isinstance(a, pa.ChunkedArray) else a for a in (before, after))
        assert plain(after, column.type) == plain(before, column.type)


@LAW
@given(tables())
def test_every_type_comes_back_as_it_was(made: tuple[pa.Table, list[Column]]) -> None:
    assert_comes_back(*made, CsvOptions())


@LAW
@given(st.lists(values_of(ColumnType("string")), max_size=8), st.booleans())
def test_a_single_column_of_text_comes_back_as_it_was(values: list[str | None], header: bool) -> None:
    column = Column("text", ColumnType("string"))
    assert_comes_back(pa.table({"text": pa.array(values, pa.string())}), [column], CsvOptions(header=header))


spellings = st.lists(
    st.sampled_from(["", "M", "NA", "-999", "nan", "null", "0", "true", "2020-01-01", "x y"]), unique=True
)
options_strategy = st.builds(
    CsvOptions,
    delimiter=st.sampled_from([",", ";", "\t", "|", " ", ":", "-", "^", "\\", "."]),
    quote_char=st.sampled_from(['"', "'", "`", "$"]),
    escape_char=st.sampled_from([None, None, "\\", "^", "~"]),
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"]),
    compression=st.sampled_from([None, "none", "gzip", "bz2", "zstd"]),
    null_values=spellings.filter(bool).map(
        lambda values: tuple(sorted(values, key=lambda v: any(c in v for c in " -")))
    ),
    true_values=st.sampled_from([("true",), ("yes", "Y"), ("1",), ("T,\n",)]),
    false_values=st.sampled_from([("false",), ("no", "N"), ("0",), ("",)]),
    thousands=st.sampled_from([None, None, ",", ".", " ", "'", "\u202f"]),
    percent=st.sampled_from([None, "fraction", "number"]),
    currency=st.sampled_from([(), ("$",), ("€", "EUR"), ("T",)]),
    negative=st.sampled_from([None, "parentheses", "trailing"]),
    time_format=st.sampled_from(
        [(), ("%H:%M:%S.%f",), ("%T.%f", "%T"), ("interval",), ("iso8601",), ("interval", "iso8601", "%I.%M,%S,%f %p")]
    ),
    duration_unit=st.sampled_from([None, *PER_SECOND]),
    epoch_unit=st.sampled_from([None, *PER_SECOND]),
    binary=st.sampled_from(["base64", "hex"]),
    lists=st.sampled_from(["json", "postgresql", "duckdb"]),
    header=st.booleans(),
    skip_rows=st.integers(0, 2),
    line_terminator=st.sampled_from(["\n", "\r\n"]),
)


@st.composite
def valid_options(draw: st.DrawFn) -> CsvOptions:
    while True:
        try:
            return draw(options_strategy)
        except StorageError:
            continue


@LAW
@given(tables(), valid_options())
def test_every_type_comes_back_under_every_option(made: tuple[pa.Table, list[Column]], options: CsvOptions) -> None:
    assert_comes_back(*made, options)


@LAW
@given(tables(), valid_options())
def test_many_rows_are_written_as_few_are(made: tuple[pa.Table, list[Column]], options: CsvOptions) -> None:
    table, _ = made
    options = structs.replace(options, encoding="utf-8", compression=None)
    times = 1 + 64 // max(1, table.num_rows)
    found: list[bytes | str] = []
    for rows in (table, pa.concat_tables([table] * times).combine_chunks()):
        try:
            found.append(written(rows, options))
        except StorageError as error:
            found.append(error.message)
    few, many = found
    if isinstance(few, str) or isinstance(many, str):
        assert few == many
    else:
        head = len(written(table.slice(0, 0), options))
        assert many[head:] == few[head:] * times


_BY_COLUMN = ("null_values", "true_values", "false_values", "decimal", "duration_unit")


@LAW
@given(tables(), valid_options(), st.lists(st.none() | valid_options(), min_size=4, max_size=4))
def test_columns_come_back_under_options_of_their_own(
    made: tuple[pa.Table, list[Column]], options: CsvOptions, of_columns: list[CsvOptions | None]
) -> None:
    own = []
    for column, drawn in zip(made[1], of_columns, strict=False):
        if drawn is not None:
            try:
                merged = structs.replace(options, **{name: getattr(drawn, name) for name in _BY_COLUMN})
            except StorageError:
                continue
            own.append((column.name, merged))
    assert_comes_back(*made, structs.replace(options, by_column=tuple(own)))


@LAW
@given(
    tables(column_types.filter(lambda kind: kind.id == "list")),
    st.sampled_from(["postgresql", "duckdb"]),
    st.sampled_from(["\\", None]),
)
def test_lists_come_back_as_databases_print_them(
    made: tuple[pa.Table, list[Column]], lists: str, escape: str | None
) -> None:
    assert_comes_back(*made, CsvOptions(lists=lists, escape_char=escape))


@pytest.mark.parametrize("lists", ["postgresql", "duckdb"])
@pytest.mark.parametrize("item", ["bool", "string", "int64"])
def test_lists_of_dictionaries_come_back_as_databases_print_them(lists: str, item: str) -> None:
    kind = parse_column_type(f"list<dictionary<{item}>>")
    values = {"bool": [[True, False, None], []], "string": [["a", None, "b"]], "int64": [[1, 2], None]}[item]
    table = pa.Table.from_arrays([build(values, kind)], schema=pa.schema([("l", to_arrow(kind))]))
    assert_comes_back(table, [Column("l", kind)], CsvOptions(lists=lists))


@LAW
@given(tables(flat_types), valid_options(), st.sampled_from([None, "\\", "~"]))
def test_values_come_back_without_quotes_or_are_refused(
    made: tuple[pa.Table, list[Column]], options: CsvOptions, escape: str | None
) -> None:
    try:
        options = structs.replace(options, quote_char="none", escape_char=escape)
        written(made[0], options)
    except StorageError:
        assume(False)
    assert_comes_back(*made, options)


loose_options = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", "\t", " ", "||", "¦", "§|", "::", "\t|", "--", "whitespace"]),
        "quote_char": st.sampled_from(['"', "'", "none"]),
        "escape_char": st.sampled_from(["none", "\\", "~"]),
        "null_values": st.sampled_from([[""], ["NA"], ["-", ""], ["0"], ["M", "nan"], ["NA", "a,b"]]),
        "comment": st.sampled_from(["none", "#", "//", "-", "!"]),
        "trim": st.booleans(),
        "skip_footer": st.integers(0, 2),
        "skip_rows": st.integers(0, 1),
        "skip_rows_after_header": st.integers(0, 1),
        "missing_values": st.sampled_from(["error", "null"]),
        "extra_values": st.sampled_from(["error", "ignore"]),
        "quoted_nulls": st.booleans(),
        "header": st.booleans(),
        "line_terminator": st.sampled_from(["\n", "\r\n"]),
    }
)
LOOSE_TEXTS = [
    " ",
    "\t",
    " a",
    "b\t",
    "#",
    " # x",
    "a#",
    "//",
    "|",
    "a|",
    "||",
    ":",
    "\\",
    "~",
    "-",
    "--",
    "\x1d",
    "\x1f",
    "!",
]
loose_kinds = st.sampled_from(["string", "int64", "float64", "bool", "date32"]).map(ColumnType)


@settings(LAW, max_examples=600)
@given(tables(loose_kinds), loose_options, st.lists(st.sampled_from(LOOSE_TEXTS), max_size=8))
def test_loose_files_come_back_or_are_refused(
    made: tuple[pa.Table, list[Column]], options: dict[str, Any], loose: list[str]
) -> None:
    table, columns = made
    if loose and table.num_rows:
        column = pa.array([loose[at % len(loose)] for at in range(table.num_rows)], pa.string())
        table = table.add_column(0, "loose # column", column)
        columns = [Column("loose # column", ColumnType("string")), *columns]
    try:
        checked = CsvOptions.from_mapping(options)
        written(table, checked)
    except StorageError:
        assume(False)
    assert_comes_back(table, columns, checked)


@LAW
@given(tables(st.just(ColumnType("string"))), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_escapes_alone_hold_every_text(made: tuple[pa.Table, list[Column]], header: bool, line_end: str) -> None:
    options = CsvOptions.from_mapping(
        {"quote_char": "none", "escape_char": "\\", "header": header, "line_terminator": line_end}
    )
    # A byte order mark at the start of the file would be taken for one.
    texts = [*made[0].column_names, *(text or "" for column in made[0].columns for text in column.to_pylist())]
    assume(not any(text.startswith("\ufeff") for text in texts))
    assert_comes_back(*made, options)


@LAW
@given(tables())
def test_the_same_table_gives_the_same_bytes(made: tuple[pa.Table, list[Column]]) -> None:
    table, _ = made
    options = CsvOptions(compression="gzip")
    assert written(table, options) == written(table, options)


_NUMBERS = st.from_regex(r"[+-]?[0-9]{0,17}(\.[0-9]{0,17})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
_WORDS = st.sampled_from(
    [
        "nan",
        "NaN",
        "inf",
        "-inf",
        "true",
        "TRUE",
        "FALSE",
        "True",
        "false",
        "0",
        ".5",
        "2",
        "-0",
        "2.0",
        "1E5",
        " 1",
        "1.10",
    ]
)
_DATES = st.dates().map(str) | st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", fullmatch=True)
near_types = st.one_of(
    _NUMBERS,
    _WORDS,
    _DATES,
    st.floats().map(repr),
    st.floats().map("{:.17g}".format),
    st.floats().map("{:.18e}".format),
    st.integers().map(str),
    st.decimals().map(str),
    st.just(""),
)


@settings(LAW, max_examples=400)
@given(st.lists(near_types, min_size=1, max_size=4), st.booleans())
def test_undeclared_columns_round_trip(values: list[str], same: bool) -> None:
    values = values[:1] if same else values
    lines = ["a,b", *(f"{value},1" for value in values)]
    data = "".join(f"{line}\n" for line in lines).encode()
    table = read_csv(lambda: io.BytesIO(data), "x.csv", None, CsvOptions())
    back = written(table, CsvOptions()).decode().splitlines()
    for before, after in zip(lines, back, strict=True):
        assert before == after or is_spelling_of(before[:-2], after[:-2], str(table["a"].type))


def is_spelling_of(before: str, after: str, kind: str) -> bool:
    """Whether a text is the same value as what is written for it, in a spelling that nobody needs back."""
    if kind == "bool":
        return before in ("TRUE", "FALSE", "True", "False") and before.lower() == after
    number = float(after)
    printed = {f"{number:.{digits}g}" for digits in (15, 16, 17)} | {f"{number:.18e}"}
    # JavaScript writes 0.0000015, and 1e-7; others leave out the digit before the point.
    of_others = r"-?[0-9](\.[0-9]+)?e[+-][1-9][0-9]*|-?0\.0{4,5}[1-9][0-9]*"
    is_same = before.startswith((".", "-.")) or re.fullmatch(of_others, before)
    return kind == "double" and (before in printed or bool(is_same and Decimal(before) == Decimal(after)))


_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@LAW
@given(
    st.one_of(
        st.integers(-(2**35), 2**37),
        st.integers(1_577_836_800, 3_500_000_000),
        st.integers(9_100_000_000, 9_223_372_036),
    ),
    st.sampled_from(["s", "ms", "ns"]),
    st.sampled_from([*ZONES, "Australia/Lord_Howe", "Africa/Casablanca"]),
    st.sampled_from(["error", "first", "last"]),
)
def test_wall_clock_times_come_back_or_are_refused(seconds: int, unit: str, zone: str, ambiguous: str) -> None:
    count = seconds * PER_SECOND[unit]
    assume(-(2**63) <= count < 2**63)
    kind = pa.timestamp(unit, zone)
    table = pa.table({"t": pa.array([count], pa.int64()).cast(kind)})
    options = CsvOptions(timestamp_format=("%Y-%m-%d %H:%M:%S",), ambiguous=ambiguous)
    tzinfo = dt.datetime.fromisoformat(f"2020-01-01T00:00{zone}").tzinfo if zone[0] in "+-" else ZoneInfo(zone)
    local = (_UTC + dt.timedelta(seconds=seconds)).astimezone(tzinfo)
    try:
        data = written(table, options)
    except StorageError:
        twice = local.utcoffset() != local.replace(fold=not local.fold).utcoffset()
        assert unit == "ns" or (twice and (ambiguous == "error" or (ambiguous == "first") == bool(local.fold)))
        return
    assert data.decode() == f"t\n{local.replace(tzinfo=None).isoformat(' ')}\n"
    column = Column("t", ColumnType("timestamp", unit=unit, timezone=zone))
    assert read_csv(lambda: io.BytesIO(data), "x.csv", [column], options).equals(table)


_MONEY = st.decimals(-(10**15), 10**15, places=2, allow_nan=False)


@LAW
@given(
    st.lists(_MONEY, min_size=1, max_size=4),
    st.sampled_from([",", ".", " ", "'", "\u00a0", "_"]),
    st.sampled_from([("${}", ("$",)), ("{} EUR", ("€", "EUR")), ("{}", ())]),
    st.sampled_from(["parentheses", "trailing", None]),
)
def test_amounts_are_read_as_they_are_written_by_people(
    values: list[Decimal], group: str, money: tuple[str, tuple[str, ...]], negative: str | None
) -> None:
    point = "," if group == "." else "."
    texts = []
    for value in values:
        text = f"{abs(value):,}".translate({44: group, 46: point})
        text = money[0].format(text)
        spelled = {"parentheses": f"({text})", "trailing": f"{text}-", None: f"-{text}"}[negative]
        texts.append(spelled if value.is_signed() else text)
    data = "a\tb\n" + "".join(f"{text}\t1\n" for text in texts)
    options = CsvOptions(delimiter="\t", decimal=point, thousands=group, currency=money[1], negative=negative)
    for kind, expected in (("decimal128(18, 2)", values), ("float64", list(map(float, values)))):
        columns = [Column("a", parse_column_type(kind))]
        assert read_csv(lambda: io.BytesIO(data.encode()), "x", columns, options)["a"].to_pylist() == expected


@LAW
@given(st.lists(st.decimals(-(10**9), 10**9, places=4), min_size=1, max_size=4))
def test_percent_is_the_nearest_float_of_a_hundredth(values: list[Decimal]) -> None:
    data = "a,b\n" + "".join(f"{value:f}%,1\n" for value in values)
    for kind, make in (("float64", float), ("decimal128(20, 6)", Decimal)):
        columns = [Column("a", parse_column_type(kind))]
        table = read_csv(lambda: io.BytesIO(data.encode()), "x", columns, CsvOptions(percent="fraction"))
        assert table["a"].to_pylist() == [make(value / 100) for value in values]


@LAW
@given(st.lists(st.decimals(-(2**70), 2**70, allow_nan=False, allow_infinity=False), min_size=1, max_size=4))
def test_whole_numbers_of_any_spelling_are_integers(values: list[Decimal]) -> None:
    for value in values:
        text = f"{value:e}"
        column = Column("a", parse_column_type("int64"))
        try:
            table = read_csv(lambda text=text: io.BytesIO(f"a,b\n{text},1\n".encode()), "x", [column], CsvOptions())
        except DataError:
            assert value != int(value) or not -(2**63) <= value < 2**63
        else:
            assert table["a"].to_pylist() == [value]
