#!/bin/sh
# delta-rs (Python package deltalake) and partition values that are not plain text.
#
# Expected: what is written is read back, whichever of its two readers is asked (to_pyarrow_dataset, scan).
# Observed: bytes come back as the text of their escapes; a negative decimal is refused on writing, as `-1.-50`; an empty
# text is null for one reader and an empty text for the other.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys
from decimal import Decimal

import deltalake
import pyarrow as pa

print("deltalake", deltalake.__version__, "pyarrow", pa.__version__)


def written(name, values):
    deltalake.write_deltalake(name, pa.table({"part": values, "row": range(len(values))}), partition_by=["part"])
    return deltalake.DeltaTable(name)


def by_dataset(table):
    return table.to_pyarrow_dataset().to_table().sort_by("row")["part"].to_pylist()


def by_engine(table):
    found = pa.table(table.scan())
    kind = pa.binary() if pa.types.is_binary_view(found["part"].type) else pa.string()
    pairs = zip(found["row"].to_pylist(), found["part"].cast(kind).to_pylist())
    return [value for _, value in sorted(pairs)]


table = written("bytes", pa.array([b"a", b"\x00\xff"], pa.binary()))
print("bytes written: [b'a', b'\\x00\\xff']; dataset:", by_dataset(table), "engine:", by_engine(table))
bytes_changed = by_dataset(table) == by_engine(table) == [rb"\u0061", rb"\u0000\u00FF"]

table = written("text", pa.array(["", "x"]))
print("texts written: ['', 'x']; dataset:", by_dataset(table), "engine:", by_engine(table))
empty_differs = (by_dataset(table), by_engine(table)) == ([None, "x"], ["", "x"])

try:
    written("decimals", pa.array([Decimal("-1.50")], pa.decimal128(10, 2)))
    refusal = "none"
except Exception as error:
    refusal = str(error)
print("decimal written: -1.50; error:", refusal)

sys.stdout.flush()
holds = bytes_changed and empty_differs and "-1.-50" in refusal
# At once, whatever the threads of the dataset are at.
os._exit(0 if holds else 1)
PYTHON
