#!/bin/sh
# spark_partition_id() of rows that are in the query itself. (Needs Java 17 or newer.)
#
# Expected: the number of the partition that a row is in, as documented: rows in four partitions have four numbers.
# Observed: rows of VALUES are in four partitions, and all of them have the number 0, since the optimizer computes
# expressions on such rows as it plans (the rule ConvertToLocalRelation), as if in partition 0. A filter on another number
# finds nothing. Without that rule the numbers are right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.1
cd "$folder"
cat > finding.py <<'PYTHON'
import sys

import pyspark
from pyspark.sql import SparkSession
from pyspark.sql.functions import spark_partition_id

spark = SparkSession.builder.master("local[4]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
rows = spark.sql("values (1), (2), (3), (4)")


def numbers():
    return [row.number for row in rows.select(spark_partition_id().alias("number")).collect()]


partitions = [len(part) for part in rows.rdd.glom().collect()]
planned, found = numbers(), rows.where(spark_partition_id() == 3).count()
spark.conf.set("spark.sql.optimizer.excludedRules", "org.apache.spark.sql.catalyst.optimizer.ConvertToLocalRelation")
computed, found_then = numbers(), rows.where(spark_partition_id() == 3).count()
print("pyspark", pyspark.__version__)
print("rows of each partition:        ", partitions)
print("spark_partition_id() of rows:  ", planned, "and rows where it is 3:", found)
print("without ConvertToLocalRelation:", computed, "and rows where it is 3:", found_then)
holds = (partitions, planned, found, computed, found_then) == ([1] * 4, [0] * 4, 0, [0, 1, 2, 3], 1)
print("as found" if holds else "no longer as found")
sys.exit(0 if holds else 1)
PYTHON
"$folder/venv/bin/python" finding.py 2>"$folder/log" || { status=$?; grep Error "$folder/log" || true; exit $status; }
