#!/bin/sh
# Spark and texts as the values of a partition column. (Needs Java 17 or 21.)
#
# Expected: what `partitionBy` writes of a column of texts is read back by Spark itself, as texts; and so are folders in
# whose names others have percent-encoded UTF-8, as DuckDB and polars do.
# Observed: an empty text comes back as null; `1d` and `2f` come back as the numbers 1.0 and 2.0, since Spark takes the
# suffixes of Java's literals for parts of a number; and a frame with a null beside the text
# `__HIVE_DEFAULT_PARTITION__` cannot be written: both are one folder, in which a file "already exists". Of `k=%C3%A9`, each
# byte becomes a letter, `Ã©`, where `%2F` is the slash that it is.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.1
cd "$folder"
cat > finding.py <<'PYTHON'
import os
import sys

import pyspark
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
print("pyspark", pyspark.__version__)


def write(folder, texts):
    spark.createDataFrame(list(enumerate(texts)), "n int, k string").write.partitionBy("k").parquet(folder)


def read(folder):
    return [row.k for row in spark.read.parquet(folder).orderBy("n").collect()]


write("empty", ["", "a"])
write("suffixes", ["1d", "2f"])
empty, suffixes = read("empty"), read("suffixes")
print("texts written: ['', 'a']; read:", empty)
print("texts written: ['1d', '2f']; read:", suffixes)
try:
    write("null", [None, "__HIVE_DEFAULT_PARTITION__"])
    error = "none"
except Exception as raised:
    error = next(line for line in str(raised).splitlines() if "already exists" in line)
print("null and '__HIVE_DEFAULT_PARTITION__' written; error:", error.split(": file:")[0])
write("percents", ["a", "b"])
os.rename("percents/k=a", "percents/k=%C3%A9")
os.rename("percents/k=b", "percents/k=x%2Fy")
percents = read("percents")
print("folders `k=%C3%A9` and `k=x%2Fy`; read:", percents)
holds = percents == ["\u00c3\u00a9", "x/y"] and empty == [None, "a"] and suffixes == [1.0, 2.0] and "FileAlreadyExistsException" in error
print("as found" if holds else "no longer as found")
sys.exit(0 if holds else 1)
PYTHON
"$folder/venv/bin/python" finding.py 2>"$folder/log" || { status=$?; grep Error "$folder/log" || true; exit $status; }
