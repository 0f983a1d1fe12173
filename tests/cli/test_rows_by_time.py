"""Rows of an input by time, `within`: as few as can be are read, and a transform gets the same ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli.runner import stored_inputs
from tests.cli.test_partitions import ended, run
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import USER, PostgreSQL
from tests.servers.s3 import S3Server

DAYS = ("2024-03-30", "2024-03-31", "2024-04-01")
TOP = "dimensions: {day: {every: day, start: 2024-03-30, end: 2024-04-01, timezone: Europe/Zurich}}\nstorages:\n"
COLUMNS = "id: int64, x: float64, on: date32, wall: 'timestamp[us]', at: 'timestamp[us, tz=UTC]', fine: 'timestamp[us]'"
INPUTS = """
a: {table: EVENTS, within: {column: on}}
b: {table: EVENTS, within: {column: wall, around: [-1h, +1h]}}
c: {table: EVENTS, within: {column: at}}
d: {table: EVENTS, within: {column: fine, around: [-2d, -1d]}}
"""
#: Each moment in another order by each column, with nulls, NaN, and rows far from all others.
TRANSFORMS = """
from collections.abc import Iterator
from datetime import datetime, timedelta

import pyarrow as pa


def _events(nan):
    moments = [datetime(2024, 3, 22) + timedelta(minutes=61 * each) for each in range(398)]
    moments += [datetime(1700, 1, 1), datetime(2200, 1, 1)]
    moments = pa.array([None if at % 7 == 3 else each for at, each in enumerate(moments)], pa.timestamp("us"))
    return pa.table(
        {
            "id": range(400),
            "x": [None, nan, 0.5, -0.0] * 100,
            "on": moments[::-1].cast(pa.date32(), safe=False),
            "wall": moments,
            "at": moments[::-1].cast(pa.timestamp("us", "UTC")),
            "fine": moments,
        }
    )


def events() -> pa.Table:
    return _events(float("nan"))


def without_nan() -> pa.Table:
    return _events(1.5)


def daily(a: pa.Table, b: pa.RecordBatchReader, c: pa.Table, d: Iterator[pa.RecordBatch]) -> pa.Table:
    read = {"a": a, "b": b.read_all(), "c": c, "d": pa.Table.from_batches(list(d), a.schema)}
    return pa.table({name: [",".join(map(str, each["id"].to_pylist()))] for name, each in read.items()})


Reader = pa.RecordBatchReader


def streamed(a: Reader, b: Reader, c: Reader, d: Reader) -> pa.Table:
    return daily(a.read_all(), b, c.read_all(), iter(d))
"""
HERE = {
    "csv": "format: csv",
    "jsonl": "format: jsonl",
    "parquet": "format: parquet, options: {row_group_rows: 20}",
    "ipc": "format: ipc",
    "delta": "storage: delta",
    "duckdb": "storage: duckdb",
    "sqlite": "storage: sqlite, function: without_nan",
}


@pytest.fixture(params=["here", "postgresql", "s3"])
def kinds(request: pytest.FixtureRequest, folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where and how the events are stored, by the end of the names of their table and of the one by day."""
    storages = "  default: {root: data}\n"
    kinds = {request.param: f"storage: {request.param}, format: parquet"}
    if request.param == "here":
        kinds = HERE
        storages += "".join(f"  {kind}: {{type: {kind}, root: {kind}.db}}\n" for kind in ("delta", "duckdb", "sqlite"))
    elif request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        kinds = {"postgresql": "storage: postgresql"}
        monkeypatch.setenv("PASSWORD_OF_POSTGRESQL", server.url().split(":")[2].split("@")[0])
        place = f"127.0.0.1:{server.port}/{request.getfixturevalue('postgresql_database')}"
        storages += f"  postgresql: {{root: 'postgresql://{USER}:${{PASSWORD_OF_POSTGRESQL}}@{place}'}}\n"
    else:
        s3: S3Server = request.getfixturevalue("s3_server")
        s3.make_bucket("lake")
        for name in ("access_key_id", "secret_access_key"):
            monkeypatch.setenv(name.upper(), s3.options[name])
        options = "region: us-east-1, access_key_id: '${ACCESS_KEY_ID}', secret_access_key: '${SECRET_ACCESS_KEY}'"
        options += f", endpoint: {s3.endpoint}, allow_http: true"
        storages += f"  s3: {{root: 's3://lake/{folder.path.parent.name}', options: {{{options}}}}}\n"
    tables = ""
    for kind, stored in kinds.items():
        function = "" if "function" in stored else "function: events, "
        inputs = ", ".join(INPUTS.replace("EVENTS", f"events_{kind}").split("\n")[1:-1])
        texts = "columns: {a: string, b: string, c: string, d: string}"
        tables += f"events_{kind}: {{{function}{stored}, columns: {{{COLUMNS}}}}}\n"
        for function in ("daily", "streamed"):
            by_day = f"function: {function}, partitions: [day], inputs: {{{inputs}}}, {texts}"
            tables += f"{function}_{kind}: {{{by_day}}}\n"
    folder.declare(tables, TRANSFORMS, top=TOP + storages)
    return kinds


def test_same_rows_are_read_by_time_as_are_filtered(
    folder: ProjectFolder, cli: Cli, kinds: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stored() -> dict[str, list[str]]:
        tables = [f"{function}_{kind}" for function in ("daily", "streamed") for kind in kinds]
        return {name: [folder.read(f"data/{name}/day={day}/data.csv") for day in DAYS] for name in tables}

    monkeypatch.setattr(stored_inputs, "_SHARED", 1 << 40)
    assert cli("run", "--executor", "serial").code == 0
    filtered = stored()
    assert len({str(each) for each in filtered.values()}) == 1
    assert all(text.count(",") > 50 for text in filtered[f"daily_{next(iter(kinds))}"])
    monkeypatch.setattr(stored_inputs, "_SHARED", -1)
    for kind in kinds:  # what was computed in the same run is in memory
        done = cli("run", "--executor", "serial", "--force", f"daily_{kind}", f"streamed_{kind}")
        assert done.code == 0, done.err
    assert stored() == filtered


def events_of(first: datetime, count: int, *, without: int | None = None) -> pa.Table:
    moments = [first + timedelta(hours=each) for each in range(count)]
    ids = [None if at == without else at for at in range(count)]
    return pa.table({"Moment": pa.array(moments, pa.timestamp("us", "UTC")), "id": pa.array(ids, pa.int64())})


def test_files_by_time_are_judged_where_they_are_read(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_inputs, "_SHARED", -1)
    column = "id: {type: int64, nullable: false}"
    folder.declare(
        f"events: {{kind: source, format: parquet, path: 'raw/e_*', columns: {{ts: {{type: 'timestamp[us, tz=UTC]',"
        f" from: Moment}}, {column}}}}}\n"
        "daily: {partitions: [day], inputs: {events: {within: {column: ts}}}, columns: {n: int64}}\n",
        "import pyarrow as pa\n\ndef daily(events: pa.Table) -> pa.Table:\n"
        "    return pa.table({'n': [events.num_rows]})\n",
        top="dimensions: {day: {every: day, start: 2024-01-01, end: 2024-01-03}}\n",
    )
    raw = folder.path / "data/raw"
    raw.mkdir(parents=True)

    def put(name: str, data: pa.Table) -> None:
        pq.write_table(data, raw / f"e_{name}.parquet", row_group_size=24)

    put("1", events_of(datetime(2024, 1, 1, tzinfo=UTC), 72))
    put("2", events_of(datetime(2024, 2, 1, tzinfo=UTC), 72, without=30))
    assert run(cli)["daily"] == {f"2024-01-0{day}": "materialized" for day in (1, 2, 3)}
    assert [folder.read(f"data/daily/day=2024-01-0{day}/data.csv") for day in (1, 2, 3)] == ["n\n24\n"] * 3
    put("1", events_of(datetime(2023, 12, 20, tzinfo=UTC), 24 * 20, without=24 * 16 + 5))
    done = cli("run", "--executor", "serial", "-o", "json")
    events, daily = done.json["tables"]
    assert done.code == 1
    # Of all rows, though few were read.
    assert [each["row"] for each in events["error"]["violations"][0]["examples"]] == [390, 511]
    assert ended(daily) == {"2024-01-01": "materialized", "2024-01-02": "materialized", "2024-01-03": "skipped"}


def test_input_by_region_gives_its_rows_by_time(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        "events: {kind: source, path: 'raw/{region}', columns: {ts: 'timestamp[us]', n: int64}}\n"
        "daily: {partitions: [region, day], inputs: {events: {within: {column: ts}}}, columns: {n: int64}}\n"
        "all: {partitions: [day], inputs: {events: {within: {column: ts}}}, columns: {n: int64}, function: daily}\n",
        "import pyarrow as pa\n\ndef daily(events: pa.Table) -> pa.Table:\n    return events.select(['n'])\n",
        top="dimensions: {day: {every: day, start: 2024-01-01, end: 2024-01-02}}\n",
    )
    folder.write("data/raw/eu.csv", "ts,n\n2024-01-01T00:00:00,1\n2024-01-02T00:00:00,2\n")
    folder.write("data/raw/us.csv", "ts,n\n2024-01-01T00:00:00,3\n2024-01-02T00:00:00,4\n")
    assert len(run(cli)["daily"]) == 4
    stored = {name: folder.read(f"data/{name}").split()[1:] for name in folder.files() if "raw" not in name}
    assert stored == {
        "all/day=2024-01-01/data.csv": ["1", "3"],
        "all/day=2024-01-02/data.csv": ["2", "4"],
        "daily/region=eu/day=2024-01-01/data.csv": ["1"],
        "daily/region=eu/day=2024-01-02/data.csv": ["2"],
        "daily/region=us/day=2024-01-01/data.csv": ["3"],
        "daily/region=us/day=2024-01-02/data.csv": ["4"],
    }
