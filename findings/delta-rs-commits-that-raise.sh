#!/bin/sh
# delta-rs (Python package deltalake): a write that raises may have been committed.
#
# Expected: an exception of write_deltalake means that the table is as it was, so that writing again is safe.
# Observed: the checkpoint that follows some commits is part of the call. Where it finds no room, the call raises, and the
# commit before it stays: an append that is tried again has its rows twice. The message names neither.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import resource

import deltalake
import pyarrow as pa

print("deltalake", deltalake.__version__)
row = pa.table({"n": [1], "text": ["x" * 30]})
deltalake.write_deltalake("table", row, configuration={"delta.checkpointInterval": "10"})
# Stands for a disk that is full: the data and the log of a commit are smaller than a checkpoint.
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, resource.RLIM_INFINITY))
for number in range(2, 20):
    try:
        deltalake.write_deltalake("table", row, mode="append")
    except Exception as error:
        print(f"append {number} raised {type(error).__name__}: {error}")
        break
else:
    raise SystemExit("no append raised")
there = deltalake.DeltaTable("table").to_pyarrow_table().num_rows
print(f"{number - 1} appends returned, the table has {there} rows: the one that raised is in it")
assert there == number, there
PYTHON
