"""Projects with transforms on Spark, at a server of Spark Connect without Java (Sail), and without any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Cli, ProjectFolder
from tests.servers.spark import highs_by_pandas_and_differences_by_spark, sail

TYPES = (
    "id: int64, g: int32, amount: 'decimal128(10, 2)', day: date32, at: 'timestamp[s]', took: 'duration[ms]',"
    " zoned: 'timestamp[us, tz=Europe/Zurich]', text: string"
)
PROJECT = f"""
name: sparks
module: transforms
execution: {{spark: {{remote: "${{SPARK_SERVER}}", config: {{spark.sql.shuffle.partitions: 2}}}}}}
storages: {{default: {{root: data}}, pq: {{root: pq, format: parquet}}}}
tables:
  raw: {{kind: source, columns: {{{TYPES}}}}}
  same: {{columns: {{{TYPES}}}, key: id, storage: pq}}
  back: {{columns: {{{TYPES}}}, inputs: [same]}}
  top: {{columns: {{g: uint8, total: "decimal128(20, 2)", late: "timestamp[us]"}}, key: g}}
  direct: {{columns: {{{TYPES}}}, inputs: [raw]}}
  made: {{columns: {{hour: int8}}}}
  late: {{columns: {{x: int64}}}}
"""
CODE = """
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

def same(raw: DataFrame) -> DataFrame:
    return raw

def back(same: pd.DataFrame) -> pd.DataFrame:
    return same

def direct(raw: pa.Table) -> pa.Table:
    return raw

def top(same: DataFrame) -> DataFrame:
    return same.groupBy("g").agg(F.sum("amount").alias("total"), F.max("at").alias("late"))

def made() -> DataFrame:
    return SparkSession.active().sql("select hour(timestamp '2024-01-01 10:00:00+02:00') as hour")

def _doubled(x):
    return 2 * x if x else 1 // x

def late(same: DataFrame) -> DataFrame:
    return same.select(F.udf(_doubled, "bigint")("id").alias("x"))
"""
ROWS = """id,g,amount,day,at,took,zoned,text
0,1,0.10,0001-01-01,2024-03-31T02:30:00,-0.001,2024-03-31T01:30:00+01:00,
1,2,-99999999.99,9999-12-31,1899-12-31T23:59:59,,1899-12-31T23:00:00+00:00,""
2,1,,2024-02-29,,86400.5,,"a ""quoted""
line, and 表"
"""


@pytest.fixture
def sparks(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    monkeypatch.setenv("SPARK_SERVER", "sc://127.0.0.1:1")
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", CODE)
    folder.write("data/raw.csv", ROWS)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with sail() as url:
        yield url


@pytest.mark.slow
def test_the_example_of_several_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, server: str) -> None:
    monkeypatch.setenv("SPARK_SERVER", server)
    highs_by_pandas_and_differences_by_spark(tmp_path, monkeypatch, cli, "-e", "connect")


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_run(sparks: ProjectFolder, cli: Cli, server: str, monkeypatch: pytest.MonkeyPatch, executor: str) -> None:
    """Values go through Spark and back as they are; rows that it orders anew are in the order of the key."""
    monkeypatch.setenv("SPARK_SERVER", server)
    done = cli("run", "-o", "json", "--executor", executor)
    tables = {table["name"]: table for table in done.json["tables"]}
    assert {name: table["status"] for name, table in tables.items()} == {
        **dict.fromkeys(("same", "back", "direct", "top", "made"), "materialized"),
        "late": "failed",
    }
    assert (
        sparks.read("data/top.csv")
        == "g,total,late\n1,0.10,2024-03-31 02:30:00.000000\n2,-99999999.99,1899-12-31 23:59:59.000000\n"
    )
    assert sparks.read("data/made.csv") == "hour\n8\n"
    assert sparks.read("data/back.csv") == sparks.read("data/direct.csv")
    error = tables["late"]["error"]
    assert error["message"].startswith("`late` raised PythonException")
    line = CODE.splitlines().index("def _doubled(x):") + 1  # the one after it, in a file without the first line break
    assert (error["location"]["file"], error["location"]["line"]) == ("transforms.py", line)


def test_a_server_that_is_not_there(sparks: ProjectFolder, cli: Cli) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: run `make servers`")
    done = cli("run", "same")
    assert done.code == 1
    assert "no server of Spark Connect answers at ${SPARK_SERVER}: Connection refused (lakehouse.yaml:3:20)" in done.err
    assert "next: start it, or correct `execution.spark.remote`" in done.err


def test_java_that_is_not_there(sparks: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: run `make servers`")
    sparks.edit("lakehouse.yaml", 'remote: "${SPARK_SERVER}"', "master: 'local[1]'")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    done = cli("run", "same")
    assert "Spark needs Java, which is not installed" in done.err
    assert "openjdk-17-jre-headless" in done.err
    refused = cli("run", "same", "--executor", "processes")
    assert "Spark on `local[1]` belongs to one process" in refused.err


def test_types_that_spark_cannot_hold_are_refused(sparks: ProjectFolder, cli: Cli) -> None:
    """Of inputs, when the project is loaded; a result may be declared as any type."""
    sparks.edit(
        "lakehouse.yaml",
        "raw: {kind: source, columns: {",
        "raw: {kind: source, columns: {n: list<uint32>, t: 'time32[s]', ",
    )
    done = cli("validate")
    assert done.code == 3
    assert "parameter `raw` takes `raw` into Spark: Spark has no uint32, which column `n` holds" in done.err
    assert "declare int64, or decimal128(20, 0) in its place, or annotate the parameter with pyarrow.Table" in done.err
    assert "no time32[s], which column `t` holds" in done.err
    assert "transforms.py:6:10" in done.err


@pytest.mark.parametrize(
    ("spark", "message"),
    [
        ("{mater: local}", "unknown key `mater` in `spark`"),
        ("3", "`spark` of `execution` is a map with `remote` or `master`, and `config`, not `3`"),
    ],
)
def test_a_session_that_cannot_be_is_refused(sparks: ProjectFolder, cli: Cli, spark: str, message: str) -> None:
    sparks.edit("lakehouse.yaml", PROJECT.splitlines()[3], f"execution: {{spark: {spark}}}")
    done = cli("validate")
    assert done.code == 3
    assert message in done.err
    assert "hunter2" not in done.err


def test_environments_override_the_session(sparks: ProjectFolder, cli: Cli) -> None:
    """A master takes the place of a server, settings are merged, and tokens are not shown."""
    sparks.edit("lakehouse.yaml", '"${SPARK_SERVER}"', "sc://host:1/;token=hunter2")
    java = "{master: local, config: {spark.hadoop.fs.s3a.secret.key: hunter2}}"
    sparks.add("lakehouse.yaml", f"environments:\n  java: {{execution: {{spark: {java}}}}}\n")
    assert cli("env", "-o", "json").json["environments"][0]["execution"]["spark"]["remote"] == "sc://host:1/;token=***"
    spark = {each["name"]: each["execution"]["spark"] for each in cli("env", "-o", "json").json["environments"]}
    assert spark["java"] == {
        "master": "local",
        "config": {"spark.sql.shuffle.partitions": 2, "spark.hadoop.fs.s3a.secret.key": "***"},
    }
