#!/bin/sh
# pyarrow.compute.list_parent_indices of a map, which is a list of entries.
#
# Expected: the indices, as of a list; or ArrowNotImplementedError, as by list_flatten and list_value_length.
# Observed: the process is aborted (exit code 134): the function takes the map for a list and checks that in C++.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cd "$folder"
status=0
"$folder/venv/bin/python" - <<'PYTHON' || status=$?
import pyarrow as pa
import pyarrow.compute as pc

print("pyarrow", pa.__version__)
maps = pa.array([[("a", 1)], [("b", 2), ("c", 3)]], pa.map_(pa.string(), pa.int64()))
for function in (pc.list_flatten, pc.list_value_length):
    try:
        function(maps)
    except pa.ArrowNotImplementedError as error:
        print(error)
print("list_parent_indices:", flush=True)
print(pc.list_parent_indices(maps))
PYTHON
echo "exit code $status"
test "$status" -eq 134
