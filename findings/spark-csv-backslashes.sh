#!/bin/sh
# Spark's CSV writer escapes a backslash only in the values that it puts in quotes. (Needs Java 8, 11 or 17.)
#
# One would expect a writer whose option `escape` is a backslash to double every backslash that is text. Spark writes
# `C:\new` as it stands, and `C:\new, x` as "C:\\new, x". Spark reads both back. A reader with one rule for the escape
# character loses the backslash of the first, or keeps two of the second: pandas with `escapechar` reads `C:new`. A text
# that ends in a backslash, `D:\`, has no quotes either: such a reader takes the line end, and so the next row, into it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyspark==3.5.6 pandas==2.3.3 setuptools==80.9.0
cd "$folder"
cat > finding.py <<'EOF'
import glob
import sys

import pandas
import pyspark
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
texts = ["C:\\new", "C:\\new, x", "\\\\server\\share"]
frame = spark.createDataFrame(list(enumerate(texts)), "id int, t string").coalesce(1)
frame.write.csv("plain")
frame.write.option("quoteAll", True).csv("quoted")
spark.createDataFrame([("D:\\",), ("E:\\",), ("next",)], "t string").coalesce(1).write.csv("ends")


def lines(folder):
    return open(glob.glob(f"{folder}/*.csv")[0]).read().splitlines()


def by_pandas(folder):
    options = {"header": None, "escapechar": "\\", "doublequote": False}
    return pandas.read_csv(glob.glob(f"{folder}/*.csv")[0], **options).iloc[:, -1].tolist()


by_spark = [row.t for row in spark.read.schema("id int, t string").csv("plain").orderBy("id").collect()]
print(f"pyspark {pyspark.__version__}, pandas {pandas.__version__}")
print("texts:                ", texts)
print("Spark writes:         ", lines("plain"))
print("  with quoteAll:      ", lines("quoted"))
print("Spark reads its own:  ", by_spark)
print("pandas, escapechar:   ", by_pandas("plain"))
print("  with quoteAll:      ", by_pandas("quoted"))
print("texts that end in one:", lines("ends"))
print("pandas, escapechar:   ", by_pandas("ends"))
holds = (
    lines("plain") == ["0,C:\\new", '1,"C:\\\\new, x"', "2,\\\\server\\share"]
    and by_spark == texts
    and by_pandas("plain") == ["C:new", "C:\\new, x", "\\servershare"]
    and by_pandas("quoted") == texts
    and lines("ends") == ["D:\\", "E:\\", "next"]
    and by_pandas("ends") == ["D:\nE:\nnext"]
)
print("as found" if holds else "no longer as found")
sys.exit(0 if holds else 1)
EOF
venv/bin/python finding.py 2>/dev/null
