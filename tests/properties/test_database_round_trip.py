"""What is published to a database comes back equal to the last bit, or is refused; common values are never refused."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from msgspec.structs import replace

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Column, ColumnType, Contract, StorageSpec, Table, parse_column_type
from lakehouse_cli.model.column_type import ColumnTypeError
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.storage.relational.base import RelationalStorage
from lakehouse_cli.storage_types import STORAGE_TYPES
from lakehouse_cli.testing.storage import ORIGIN
from tests.properties.drawn_tables import (
    CHANCES,
    RANGES,
    Chance,
    build,
    column_type,
    common,
    first_that,
    plain,
    storage_type,
    unique_texts,
    value,
)
from tests.servers.postgresql import PostgreSQL

LAW = settings(
    max_examples=40,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture(scope="module", params=["sqlite", "duckdb", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RelationalStorage:
    root = str(tmp_path_factory.mktemp("lake") / f"lake.{request.param}")
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        root = server.url(server.new_database())
    opened = open_storage(StorageSpec("lake", root, "lake", format="", type=request.param))
    assert isinstance(opened, RelationalStorage)
    return opened


def refused(storage: RelationalStorage, kind: ColumnType) -> bool:
    refusal = STORAGE_TYPES[storage.spec.type].refusal
    assert refusal is not None
    return refusal(kind) is not None


def publish(
    storage: RelationalStorage, arrays: dict[str, pa.Array], kinds: dict[str, ColumnType]
) -> Callable[[], None]:
    """Publish; what is returned compares what comes back."""
    columns = tuple(Column(name, kind) for name, kind in kinds.items())
    table = Table("round trip", path="round trip", contract=Contract(columns), format="")
    data = pa.Table.from_arrays(list(arrays.values()), schema=pa.schema([(c.name, to_arrow(c.type)) for c in columns]))
    manifest = storage.publish(table, data, ORIGIN)

    def compare() -> None:
        assert manifest.rows == data.num_rows
        backs = [storage.scan(table, columns).table()]
        if all(is_written(column.type) for column in columns):
            backs.append(storage.scan(replace(table, contract=Contract()), None).table())
        for back in backs:
            back.validate(full=True)
            assert back.schema == data.schema
            for column in columns:
                after = pa.concat_arrays(back[column.name].chunks) if back.num_rows else arrays[column.name]
                before, after = plain(arrays[column.name], column.type), plain(after, column.type)
                assert after == before

    return compare


def is_written(kind: ColumnType) -> bool:
    """Whether a manifest can name a type, whose fields may be called by what no text of a type holds."""
    try:
        return parse_column_type(str(kind)) == kind
    except ColumnTypeError:
        return False


def names(chance: Chance, count: int) -> list[str]:
    """Names of columns, of no control characters."""
    return first_that(
        lambda found: not any(unicodedata.category(each) == "Cc" for each in "".join(found)),
        lambda: unique_texts(chance, count, str.casefold),
    )


@LAW
@given(chance=CHANCES)
def test_what_is_not_refused_comes_back_as_it_was(storage: RelationalStorage, chance: Chance) -> None:
    drawn = [column_type(chance) for _ in range(chance.randint(1, 3))]
    rows = chance.randrange(6)
    kinds = {
        name: kind for name, kind in zip(names(chance, len(drawn)), drawn, strict=True) if not refused(storage, kind)
    }
    assume(kinds)
    arrays = {name: build([value(chance, kind) for _ in range(rows)], kind) for name, kind in kinds.items()}
    note(arrays)
    try:
        compare = publish(storage, arrays, kinds)
    except StorageError as error:
        refusal = error
    else:
        compare()
        return
    assert "lake/round trip cannot be written: " in refusal.message or "column" in refusal.message
    assert refusal.hint


@settings(LAW, max_examples=20)
@given(chance=CHANCES)
def test_common_values_are_never_refused(storage: RelationalStorage, chance: Chance) -> None:
    """Four columns at once: to store one takes as long."""
    drawn = [column_type(chance) for _ in range(4)]
    kinds = {f"column {at}": kind for at, kind in enumerate(drawn) if not refused(storage, kind)}
    assume(kinds)
    rows = chance.randrange(6)
    arrays = {name: build([common(chance, kind) for _ in range(rows)], kind) for name, kind in kinds.items()}
    note(arrays)
    publish(storage, arrays, kinds)()


def test_a_table_of_every_type_there_is(storage: RelationalStorage) -> None:
    """With a null in each, and the ends of their ranges."""
    ends: dict[str, list[Any]] = {
        "bool": [True, False],
        "float32": [float("inf"), -1.5, 3.4028234663852886e38],
        "float64": [float("-inf"), 0.1, 5e-324],
        "string": ["", " x ", "表 \U0001f600"],
        "binary": [b"", b"\0\xff"],
        "date32": [-719_162, 2_932_896],
        "decimal128(38, 0)": [Decimal("9" * 38), Decimal("-" + "9" * 38)],
        "decimal128(38, 38)": [Decimal("1E-38"), Decimal("-0." + "9" * 38)],
        "decimal128(5, 2)": [Decimal("-0.01"), Decimal("999.99")],
        "timestamp[us]": [-62_135_596_800_000_000, 253_402_300_799_999_999],
        "timestamp[s, tz=Asia/Kathmandu]": [0, 253_402_300_799],
        "time32[ms]": [0, 86_399_999],
        "time64[us]": [0, 86_399_999_999],
        "duration[s]": [-(10**12), 10**12],
        "dictionary<string>": ["a", "b", "a"],
        **{name: [low, high] for name, (low, high) in RANGES.items()},
    }
    kinds = {name: parse_column_type(name) for name in ends}
    kinds = {name: kind for name, kind in kinds.items() if not refused(storage, kind)}
    assert set(ends) - set(kinds) == ({"uint64"} if storage.spec.type == "sqlite" else set())
    rows = {name: [*(ends[name] * 3)[:6], None] for name in kinds}
    publish(storage, {name: build(rows[name], kind) for name, kind in kinds.items()}, kinds)()


def test_nan_is_kept_or_refused(storage: RelationalStorage) -> None:
    arrays, kinds = {"x": pa.array([1.0, float("nan")])}, {"x": ColumnType("float64")}
    if storage.spec.type != "sqlite":
        publish(storage, arrays, kinds)()
        return
    with pytest.raises(StorageError) as caught:
        publish(storage, arrays, kinds)
    assert "`x`" in caught.value.message
    assert "NaN, which SQLite makes null" in caught.value.message
    assert "row 2" in caught.value.message


def test_the_moments_of_today_in_every_type(storage: RelationalStorage) -> None:
    now = dt.datetime(2026, 11, 22, 15, 1, 2, 345678)
    micro = pa.array([now, None], pa.timestamp("us"))
    kinds = {
        "plain": ColumnType("timestamp", unit="us"),
        "zoned": ColumnType("timestamp", unit="us", timezone="Asia/Kathmandu"),
        "day": ColumnType("date32"),
    }
    arrays = {
        "plain": micro,
        "zoned": micro.cast(pa.int64()).cast(to_arrow(kinds["zoned"])),
        "day": pa.array([now.date(), None], pa.date32()),
    }
    publish(storage, arrays, kinds)()
    assert storage_type(kinds["day"]) == pa.int32()
