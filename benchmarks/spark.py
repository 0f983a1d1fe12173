"""Transforms on a Spark session that runs, beside the same jobs by hand in it: `python -m benchmarks.spark`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pyarrow.parquet

from benchmarks import projects
from lakehouse_cli import Project

_CODE = """
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def aggregated(given: DataFrame) -> DataFrame:
    day = F.to_date("at").alias("day")
    return given.groupBy("name", day).agg(F.count("*").alias("n"), F.max("value").alias("top"))


def filtered(given: DataFrame) -> DataFrame:
    return given.where("value > 0").select("id", "name", (F.col("value") * 2).alias("twice"))
"""
_PROJECT = """
name: spark
module: sparks
storages: {default: {root: data, format: parquet}}
tables:
  given: {kind: source, columns: {id: int64, name: string, value: float64, at: "timestamp[us]"}}
  aggregated: {columns: {name: string, day: date32, n: int64, top: float64}}
  filtered: {columns: {id: int64, name: string, twice: float64}}
"""


def _seconds(work: Callable[[], Any]) -> float:
    since = time.perf_counter()
    work()
    return time.perf_counter() - since


def main() -> None:
    """Print a row for each job."""
    from pyspark.sql import SparkSession

    rows, rounds = int(os.environ.get("ROWS", "10000000")), int(os.environ.get("ROUNDS", "3"))
    folder = projects.parquet(rows)
    (folder / "sparks.py").write_text(_CODE)
    (folder / "spark.yaml").write_text(_PROJECT)
    settings = {"spark.ui.enabled": "false", "spark.driver.memory": "2g", "spark.sql.session.timeZone": "UTC"}
    settings["spark.task.maxDirectResultSize"] = "128m"  # as in sessions that lakehouse begins
    spark = SparkSession.builder.master("local[*]").config(map=settings).getOrCreate()
    by_name: dict[str, Any] = {}
    exec(_CODE, by_name)
    project = Project.load(folder / "spark.yaml")
    given = str(folder / "data" / "given.parquet")
    rows = pyarrow.parquet.ParquetFile(given).metadata.num_rows  # of a file that may have been there
    try:
        for name in ("aggregated", "filtered"):

            def ours(name: str = name) -> None:
                result = project.run(name, force=True)
                assert result.status == "success", result

            def by_hand(name: str = name) -> None:
                out = str(folder / "out" / f"{name}.parquet")
                by_name[name](spark.read.parquet(given)).write.mode("overwrite").parquet(out)

            pairs = [(_seconds(ours), _seconds(by_hand)) for _ in range(rounds + 1)][1:]
            ratio = median(a / b for a, b in pairs)
            ours_s, theirs_s = (median(each) for each in zip(*pairs, strict=True))
            print(f"| {name}, {rows:,} rows | wall | {ours_s:.2f} s | {theirs_s:.2f} s | {ratio:.2f} |", flush=True)
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
