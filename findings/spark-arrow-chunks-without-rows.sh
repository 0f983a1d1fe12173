#!/bin/sh
# Java's Spark drops the rows of an Arrow table that come after a chunk without rows. (Needs Java 17.)
#
# One would expect `createDataFrame` of a pyarrow.Table to have as many rows as the table, however it is chunked. A chunk
# without rows, as a filter by record batches or `pyarrow.concat_tables` leaves them, ends a partition there: the frame has
# fewer rows, and nothing is said. Chunks without rows are to be left out first, or joined by `combine_chunks`.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyspark==4.2.1 pandas==2.3.3 pyarrow==21.0.0
cd "$folder"
cat > finding.py <<'EOP'
import sys

import pyarrow
import pyspark
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
some = pyarrow.table({"a": [1, 2]})
table = pyarrow.concat_tables([some, some.slice(0, 0), some])
counts = table.num_rows, spark.createDataFrame(table).count(), spark.createDataFrame(table.combine_chunks()).count()
print(f"pyspark {pyspark.__version__}, pyarrow {pyarrow.__version__}")
print("rows of the chunks:            ", [chunk.num_rows for chunk in table.to_batches()])
print("rows of the table:             ", counts[0])
print("rows in Spark:                 ", counts[1])
print("rows in Spark, chunks joined:  ", counts[2])
holds = counts == (4, 2, 4)
print("as found" if holds else "no longer as found")
sys.exit(0 if holds else 1)
EOP
venv/bin/python finding.py 2>/dev/null
