"""Frames of Spark in Java's Spark on this machine: `make test-spark`, and nothing else, runs this file."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions

from lakehouse_cli.arrow.types import from_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.engines.spark_session import spark_of_run, spark_session
from lakehouse_cli.errors import StorageError, TransformError
from lakehouse_cli.formats.native import NativeFile, native_parquet
from lakehouse_cli.model import Column, FunctionRef, SparkSpec, parse_column_type
from lakehouse_cli.model.computation import Input
from lakehouse_cli.runs.spilled_tables import SpilledTables
from lakehouse_cli.testing.frames import FrameConformance
from lakehouse_cli.transforms import FrameType, SharedTable, apply, frame_type_of, load_transform, spark_frame
from tests.conftest import Cli, ProjectFolder
from tests.servers.spark import highs_by_pandas_and_differences_by_spark

# A zone of its own, in which instants would be others.
CONFIG = {
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "2",
    "spark.hadoop.lake.secret.key": "hunter2",
    "spark.driver.extraJavaOptions": "-Duser.timezone=America/St_Johns",
}


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    with spark_of_run(SparkSpec(master="local[2]", config=CONFIG)):
        yield


@pytest.fixture
def frames() -> Iterator[FrameType]:
    found = frame_type_of("pyspark.sql.DataFrame")
    with found.scope():
        yield found


class TestSpark(FrameConformance):
    @pytest.fixture
    def frames(self) -> Iterator[FrameType]:
        found = frame_type_of("pyspark.sql.DataFrame")
        with found.scope():
            yield found

    def change(self, frame: Any) -> bool:
        return False

    def test_floats_are_told_apart(self, frames: FrameType) -> None:
        """NaN is no null, and zero keeps its sign, in lists too."""
        values = [float("nan"), None, -0.0, 0.0]
        data = pa.table({"x": pa.array(values, pa.float64()), "xs": pa.array([values] * 4, pa.list_(pa.float64()))})
        assert str(frames.to_arrow(frames.from_arrow(data), None).to_pylist()) == str(data.to_pylist())


MOMENTS = [dt.datetime(1, 1, 1), None, dt.datetime(1582, 10, 4, 12), dt.datetime(1883, 11, 18), dt.datetime(9998, 1, 1)]
STORED = pa.table(
    {
        "id": pa.array(range(5), pa.int64()),
        "an odd.name": pa.array(range(5), pa.int32()),
        "Short": pa.array([-(2**15), None, 2**15 - 1, 0, 1], pa.int16()),
        "tiny": pa.array([-128, None, 127, 0, 1], pa.int8()),
        "float": pa.array([0.1, None, -0.0, 2.0**100, 1.4e-45], pa.float32()),
        "double": pa.array([0.1, None, -0.0, 5e-324, float("inf")], pa.float64()),
        "flag": pa.array([True, None, False, True, False]),
        "text": pa.array(["", None, "NULL", 'a,"b"\n', "fünf 表 🦆"]),
        "bytes": pa.array([b"", None, b"\x00\xff", b"x", b"y"], pa.binary()),
        "day": pa.array([each and each.date() for each in MOMENTS], pa.date32()),
        "local": pa.array(MOMENTS, pa.timestamp("us")),
        "instant": pa.array(MOMENTS, pa.timestamp("us", "UTC")),
        "money": pa.array(
            [Decimal("-99999999.99"), None, Decimal("0.10"), Decimal(0), Decimal(1)], pa.decimal128(10, 2)
        ),
        "large": pa.array(
            [Decimal("9" * 28 + ".9999999999"), None, Decimal(0), Decimal(1), Decimal(-1)], pa.decimal128(38, 10)
        ),
    }
)
COLUMNS = tuple(Column(field.name, kind) for field in STORED.schema if (kind := from_arrow(field.type)))


def native(path: Path) -> NativeFile:
    found = native_parquet(str(path), COLUMNS, lambda: None, is_judged=True)
    assert found is not None
    return found


@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_parquet_is_read_by_its_location(frames: FrameType, tmp_path: Path, version: Any) -> None:
    """With the values that Arrow finds, also where a filter leaves out row groups."""
    path = tmp_path / ".hidden/_too/the stored.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(STORED, path, row_group_size=2, version=version, store_decimal_as_integer=version == "2.6")
    frame = frames.from_file(native(path))
    assert frame is not None
    assert [Path(unquote(each.removeprefix("file://"))) for each in frame.inputFiles()] == [path]
    assert enforce(frames.to_arrow(frame, COLUMNS), COLUMNS).table.equals(STORED)
    some = frame.where("instant < timestamp '1800-01-01 00:00:00Z' and text = 'NULL'").select("local", "id")
    assert frames.to_arrow(some, None).to_pylist() == [{"local": dt.datetime(1582, 10, 4, 12), "id": 2}]


@pytest.mark.parametrize(
    "name", ["_hidden.parquet", ".hidden.parquet", "month=1/data.parquet", "a%20b.parquet", "a#b.parquet"]
)
def test_paths_that_spark_may_misread_are_not_given_to_it(frames: FrameType, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    pq.write_table(STORED, path)
    assert frames.from_file(native(path)) is None


def test_days_of_the_old_calendar_are_not_read_by_spark(frames: FrameType, tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    for key, value in (("org.apache.spark.version", "2.4.8"), ("org.apache.spark.legacyDateTime", "")):
        pq.write_table(STORED.replace_schema_metadata({key: value}), path)
        assert frames.from_file(native(path)) is None


def test_large_inputs_wait_in_a_file(frames: FrameType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has the same values, NaN among them, and goes with the call; nested ones are sent as Arrow."""
    monkeypatch.setattr(spark_frame, "_IN_MEMORY", 100)
    monkeypatch.setattr(spark_frame, "_AT_ONCE", 100)
    columns = (*COLUMNS, Column("nan", parse_column_type("float64")), Column("s", parse_column_type("timestamp[s]")))
    data = STORED.append_column("nan", pa.array([float("nan"), None, 1.0, -float("inf"), 0.0]))
    data = data.append_column("s", pa.array([0, None, -1, 1, 2], pa.timestamp("s")))
    pieces = [data.slice(0, 0), data.slice(0, 2), data.slice(2, 0), data.slice(2)]
    with frames.scope():
        frame = frames.from_pieces(data.schema, lambda: iter(pieces))
        [file] = frame.inputFiles()
        found = enforce(frames.to_arrow(frame, columns), columns).table
        assert found.schema == data.schema
        assert str(found.to_pylist()) == str(data.to_pylist())
        assert Path(file.removeprefix("file://")).exists()
        nested = pa.table({"x": [[1], None, [2, 3]] * 50})
        assert frames.to_arrow(frames.from_pieces(nested.schema, lambda: iter([nested])), None).num_rows == 150
    assert not Path(file.removeprefix("file://")).exists()


def test_partitions_are_in_order(frames: FrameType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever is computed first, some of them empty, and from a file."""
    monkeypatch.setattr(spark_frame, "SpilledTables", lambda what, _: SpilledTables(what, 0))
    frame = spark_session().range(0, 10_000, 1, 7).where("id < 3000 or id >= 9000")
    pieces = list(frames.to_pieces(frame, None))
    assert len(pieces) > 1
    assert pa.concat_tables(pieces).column("id").to_pylist() == [*range(3000), *range(9000, 10_000)]


def test_a_partition_comes_before_the_next_is_computed(frames: FrameType, tmp_path: Path) -> None:
    """Each is stored meanwhile; and where the first is the last to be computed, it is the first all the same."""
    taken = tmp_path / "taken"

    def waits_for(numbers: range) -> Any:
        def wait(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                until = time.monotonic() + 30
                while batch.column(0)[0].as_py() in numbers and not taken.exists():
                    if time.monotonic() > until:
                        raise TimeoutError
                    time.sleep(0.01)
                if batch.column(0)[0].as_py() not in numbers and 0 in numbers:
                    taken.touch()
                yield batch

        return spark_session().range(0, 600_000, 1, 3).mapInArrow(wait, "id bigint")

    pieces = frames.to_pieces(waits_for(range(200_000, 600_000)), None)
    first = next(pieces)
    taken.touch()
    assert pa.concat_tables([first, *pieces]).column("id").to_pylist() == [*range(600_000)]
    taken.unlink()
    found = frames.to_arrow(waits_for(range(200_000)), None)
    assert found.column("id").to_pylist() == [*range(600_000)]


def test_rows_come_as_from_spark_itself(frames: FrameType) -> None:
    """In the same order, whatever the plan: partitions that are joined, limited, in the plan itself, of odd columns."""
    rows = spark_session().range(0, 5_000, 1, 7)
    local = spark_session().sql("values (7L), (8L)")
    plans = [
        local,
        spark_session().sql("select 1L as id").union(rows).union(local),
        rows.limit(3_000),
        rows.orderBy(functions.desc("id")).limit(10),
        rows.select("id", functions.col("id")),
        rows.withColumn("p", functions.spark_partition_id()),
        rows.where("id < 0"),
    ]
    for plan in plans:
        found, wanted = frames.to_arrow(plan, None), plan.toArrow()
        assert (found.schema.names, found.schema.types) == (wanted.schema.names, wanted.schema.types)
        assert [each.to_pylist() for each in found.columns] == [each.to_pylist() for each in wanted.columns]


def test_files_are_read_in_small_parts_where_these_are_stored(
    frames: FrameType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An aggregate reads them in parts of Spark's own size, and so does what is configured to."""
    path = tmp_path / "some.parquet"
    pq.write_table(pa.table({"id": pa.array(range(40_000), pa.int64())}), path, row_group_size=10_000)
    id_column = (Column("id", parse_column_type("int64")),)
    file = native_parquet(str(path), id_column, lambda: None, is_judged=True)
    assert file is not None
    monkeypatch.setattr("lakehouse_cli.engines.spark_session._PART_SIZE", "64k")
    part = functions.spark_partition_id().alias("part")

    def parts_of(name: str) -> tuple[set[int], list[int]]:
        frame = frames.from_file(file).withColumn("part", part)
        other = spark_session().range(2).withColumnRenamed("id", "of")
        frame = {
            "filtered": frame,
            "joined": frame.join(functions.broadcast(other), frame.id % 2 == other.of).select("id", "part"),
            "counted": frame.groupBy("part").agg(functions.count("*").alias("id")),
        }[name]
        found = frames.to_arrow(frame, None)
        return set(found["part"].to_pylist()), found["id"].to_pylist()

    for name in ("filtered", "joined"):
        parts, ids = parts_of(name)
        assert len(parts) > 2
        assert ids == list(range(40_000))
    assert len(parts_of("counted")[0]) <= 2
    assert not spark_session()._jsparkSession.conf().contains("spark.sql.files.maxPartitionBytes")
    spark_session().conf.set("spark.sql.files.maxPartitionBytes", "64m")
    try:
        assert len(parts_of("filtered")[0]) <= 2
        assert spark_session().conf.get("spark.sql.files.maxPartitionBytes") == "64m"
    finally:
        spark_session().conf.unset("spark.sql.files.maxPartitionBytes")


def test_a_full_disk_is_told_as_such(frames: FrameType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as what Java says of a connection that was closed."""
    monkeypatch.setattr(spark_frame, "SpilledTables", lambda what, _: SpilledTables(what, 0))
    monkeypatch.setattr("tempfile.tempdir", "/dev/full")
    with pytest.raises(StorageError, match="the rows of the result"):
        frames.to_arrow(spark_session().range(0, 4_000_000, 1, 2), None)


@pytest.mark.parametrize("expression", ["parse_json('{}')", "array(parse_json('{}'))"])
def test_variant_is_refused(frames: FrameType, expression: str) -> None:
    """Of which Arrow has but the bytes of Spark's own encoding."""
    with pytest.raises(TransformError, match="column `v` is VARIANT, which no column type holds"):
        frames.to_arrow(spark_session().sql(f"select 1 as a, {expression} as v"), None)


def test_secrets_are_not_on_the_command_line(frames: FrameType) -> None:
    context = spark_session().sparkContext
    command = Path(f"/proc/{context._gateway.proc.pid}/cmdline").read_text()
    assert "spark.driver.memory=1g" in command
    assert "hunter2" not in command
    assert context.getConf().get("spark.hadoop.lake.secret.key") == "hunter2"


CODE = """
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

def _halved(x):
    return x // (x - 1)

def divided(t: DataFrame) -> DataFrame:
    return t.select((F.col("id") / F.lit(0)).alias("x"))

def called(t: DataFrame) -> DataFrame:
    return t.select(F.udf(_halved, "bigint")("id").alias("x"))
"""


@pytest.mark.parametrize(
    ("name", "said", "line"), [("divided", "[DIVIDE_BY_ZERO]", 9), ("called", "PythonException", 12)]
)
def test_errors_name_the_line(
    tmp_path: Path, name: str, said: str, line: int, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "transforms.py").write_text(CODE)
    transform = load_transform(FunctionRef("transforms", name), tmp_path)
    with pytest.raises(TransformError) as caught:
        list(apply(transform, [(Input("t", "t"), SharedTable(pa.table({"id": [1, 2]})))]))
    assert said in caught.value.message
    assert caught.value.location is not None
    assert (caught.value.location.file, caught.value.location.line) == ("transforms.py", line)
    assert capfd.readouterr() == ("", "")


def test_the_example_of_several_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    highs_by_pandas_and_differences_by_spark(tmp_path, monkeypatch, cli)


def test_a_run_beside_a_session_leaves_it_alone(folder: ProjectFolder, cli: Cli) -> None:
    """As in a notebook; and transforms that go on at once share one of the run."""
    folder.write(
        "lakehouse.yaml",
        """
        name: beside
        module: transforms
        execution: {spark: {config: {spark.sql.shuffle.partitions: 3}}}
        storages: {default: {root: data, format: parquet}}
        tables:
          raw: {kind: source, columns: {id: int64, at: "timestamp[us]"}}
          a: {columns: {id: int64, at: "timestamp[us]"}, inputs: [raw], key: id}
          b: {columns: {id: int64, at: "timestamp[us]"}, inputs: [raw], key: id}
        """,
    )
    folder.write("transforms.py", "from pyspark.sql import DataFrame\n\ndef a(t: DataFrame):\n    return t\n\nb = a\n")
    folder.edit("transforms.py", "b = a\n", "def b(t: DataFrame):\n    return t.where(t.id >= 0)\n")
    (folder.path / "data").mkdir()
    raw = pa.table({"id": [1, 2], "at": pa.array([0, None], pa.timestamp("us"))})
    pq.write_table(raw, folder.path / "data/raw.parquet")
    done = cli("run")
    assert (done.code, done.err) == (0, "")
    assert pq.read_table(folder.path / "data/b.parquet").to_pylist() == raw.to_pylist()
    assert spark_session().range(1).count() == 1


def test_folders_of_spark_are_partitions(folder: ProjectFolder, cli: Cli) -> None:
    texts = ["a/b", "x=y", "%41", " lead", "é", "01001", "1d", "2024-01-03", "epoch", "a:b", "A", "a", "{x}", None]
    frame = spark_session().createDataFrame(list(enumerate(texts)), "n int, k string")
    frame.write.partitionBy("k").parquet(f"{folder.path}/data/raw")
    folder.declare(
        """
        raw: {kind: source, path: raw/, format: parquet, partitions: [k], columns: {n: int32, k: string}}
        copied: {partitions: [k], format: parquet, columns: {k: string, n: int32}, inputs: [raw]}
        """,
        "def copied(raw): return raw\n",
    )
    assert cli("run").code == 0
    shown = json.loads(cli("show", "copied", "-n", "100", "-o", "json").out)
    assert {row["n"]: row["k"] for row in shown["rows"]} == dict(enumerate(texts))
    # Which Spark reads in turn, but for letters beyond ASCII, whose bytes it takes for letters each.
    read = spark_session().read.schema("n int, k string").parquet(f"{folder.path}/data/copied")
    assert {row.n: row.k for row in read.collect()} == dict(
        enumerate(["\u00c3\u00a9" if t == "é" else t for t in texts])
    )
