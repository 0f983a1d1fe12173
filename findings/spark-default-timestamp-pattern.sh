#!/bin/sh
# Spark's documented default of `timestampFormat`, set explicitly, writes other moments. (Needs Java 17 or 21.)
#
# The documentation of CSV and JSON gives yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX] as the default. One would expect that nothing
# changes where this very pattern is set. It does where the session's time zone has an offset with seconds, as zones have
# before they took standard time (Monrovia until 1972): without the option Spark writes -00:44:30, which it reads back as
# the same moment; with it -00:44, beside the same clock, and reads another moment. XXXXX keeps the seconds.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyspark==4.1.4
cd "$folder"
cat > finding.py <<'PYTHON'
import glob
import sys

import pyspark
from pyspark.sql import SparkSession

DEFAULT = "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]"
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "Africa/Monrovia")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")
frame = spark.sql("SELECT timestamp'1970-01-01 00:00:00Z' AS t").coalesce(1)


def written_and_read(name, **options):
    frame.write.options(**options).csv(name)
    text = open(glob.glob(f"{name}/*.csv")[0]).read().strip()
    again = spark.read.schema("t timestamp").options(**options).csv(name)
    return text, again.selectExpr("unix_seconds(t)").first()[0]


unset = written_and_read("unset")
explicit = written_and_read("explicit", timestampFormat=DEFAULT)
longer = written_and_read("longer", timestampFormat=DEFAULT.replace("XXX", "XXXXX"))
print(f"pyspark {pyspark.__version__}, session time zone Africa/Monrovia, the moment 0 s since 1970")
print(f"option not set:             writes {unset[0]}, reads {unset[1]} s")
print(f"set to its default [XXX]:   writes {explicit[0]}, reads {explicit[1]} s")
print(f"set to [XXXXX]:             writes {longer[0]}, reads {longer[1]} s")
holds = (
    unset == ("1969-12-31T23:15:30.000-00:44:30", 0)
    and explicit == ("1969-12-31T23:15:30.000-00:44", -30)
    and longer == unset
)
print("as found" if holds else "no longer as found")
sys.exit(0 if holds else 1)
PYTHON
venv/bin/python finding.py 2>/dev/null
