#!/bin/sh
# polars believes what an Arrow IPC file says: of a damaged one it gives values that Arrow refuses, or ends the process by
# abort(), which no `try` of Python sees.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q polars==2.1.0 pyarrow==26.0.1
cat > "$folder/read.py" <<'PYTHON'
import sys

import polars as pl

print(pl.scan_ipc(sys.argv[1]).collect().rows()[-2:])
PYTHON
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import io
import subprocess
import sys
from importlib.metadata import version

import pyarrow as pa

folder, rows = sys.argv[1], 40
print(f"polars {version('polars')}, pyarrow {pa.__version__}")


def written(table, codec):
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def read(name, data):
    with open(f"{folder}/{name}.arrow", "wb") as file:
        file.write(data)
    try:
        pa.ipc.open_file(data).read_all().validate(full=True)
        arrow = "reads it"
    except pa.ArrowException as error:
        arrow = str(error).splitlines()[0]
    command = [sys.executable, f"{folder}/read.py", f"{folder}/{name}.arrow"]
    done = subprocess.run(command, capture_output=True, text=True)
    last = (done.stdout or done.stderr).strip().splitlines()[0 if done.returncode < 0 else -1]
    print(f"  {name:28} Arrow: {arrow[:70]}\n{'':31}polars: exit code {done.returncode}, {last[:90]}")
    return arrow, done.returncode


some = pa.table({"a": pa.array([None if row % 3 else 1 for row in range(64 * rows)], pa.int8())})
compressed = written(some, "zstd")
length = (8 * rows).to_bytes(8, "little")  # before what is compressed
assert compressed.count(length) == 1
_, code = read("a buffer of 2^61 bytes", compressed.replace(length, (1 << 61).to_bytes(8, "little")))
assert code == -6  # SIGABRT
amounts = pa.table({"a": pa.array(range(rows), pa.int64()).cast(pa.decimal128(21, 2)).cast(pa.decimal128(4, 2))})
plain = written(amounts, None)
last = (100 * (rows - 1)).to_bytes(16, "little")
assert plain.count(last) == 1
arrow, code = read("a decimal(4, 2) of 10^9", plain.replace(last, (10**11).to_bytes(16, "little")))
assert "reads" not in arrow
assert code == 0
PYTHON
echo "One would expect an error of both files."
