#!/bin/sh
# pyarrow's kernels know no daylight saving time after 2037.
#
# One expects `pc.assume_timezone` and `pc.local_timestamp` to follow a time zone's rules for any year, as Python's
# zoneinfo does. On systems with a zoneinfo database they know the clock changes that its files list, which end in 2037,
# and not the rule behind them: every summer from 2038 on is an hour off, without an error, and the two kernels agree
# with each other, so that a round trip does not show it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1 tzdata
"$folder/venv/bin/python" - <<'PYTHON'
import datetime as dt
import sys
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

print("pyarrow", pa.__version__)
wrong = []
for year in (2037, 2038, 2050):
    local = dt.datetime(year, 7, 1, 12)
    python = local.replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(dt.timezone.utc).strftime("%H:%M")
    arrow = pc.assume_timezone(pa.array([local]), "Europe/Berlin").cast(pa.timestamp("us", "UTC"))
    arrow_text = pc.strftime(arrow, "%H:%M")[0].as_py()
    print(f"{local} in Europe/Berlin: zoneinfo says {python} UTC, pyarrow {arrow_text} UTC")
    wrong.append(arrow_text != python)
print("expected: the same in each year; found: pyarrow leaves out summer time from 2038 on")
sys.exit(0 if wrong == [False, True, True] else 1)
PYTHON
