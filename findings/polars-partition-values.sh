#!/bin/sh
# polars and the folders `k=value` that it writes of a column of texts.
#
# Expected: what `PartitionBy(…, include_key=False)` writes, `read_parquet(…, hive_partitioning=True)` reads.
# Observed: where all values are times of day, such as `10:00:00`, its own folders cannot be read ("unsupported data type
# when reading CSV", of Parquet files); and of a null beside the text `__HIVE_DEFAULT_PARTITION__` both are written to
# one file, so that the row of the null is gone without a word.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import polars

print("polars", polars.__version__)


def written(folder, texts):
    frame = polars.DataFrame({"n": range(len(texts)), "k": polars.Series(texts, dtype=polars.String)})
    frame.write_parquet(polars.PartitionBy(f"{folder}/", key=["k"], include_key=False), mkdir=True)
    return f"{folder}/"


times = written("times", ["10:00:00", "11:30:00"])
try:
    error = f"none, {polars.read_parquet(times, hive_partitioning=True).rows()}"
except polars.exceptions.PolarsError as raised:
    error = str(raised)
typed = polars.read_parquet(times, hive_schema={"k": polars.String}).sort("n")["k"].to_list()
print("texts written: ['10:00:00', '11:30:00']; error:", error)
print("  with `hive_schema`:", typed)

nulls = written("nulls", [None, "__HIVE_DEFAULT_PARTITION__"])
rows = polars.read_parquet(f"{nulls}**/*.parquet", hive_partitioning=False)["n"].to_list()
print("rows written: 0 (null) and 1 ('__HIVE_DEFAULT_PARTITION__'); rows in the files:", rows)

holds = "unsupported data type when reading CSV" in error and typed == ["10:00:00", "11:30:00"] and rows == [1]
print("as found" if holds else "no longer as found")
sys.exit(0 if holds else 1)
PYTHON
