#!/bin/sh
# delta-rs (Python package deltalake) and timestamps without a time zone inside of maps.
#
# Expected: a table with such a map is made, as one is whose lists or structs hold such timestamps: writing declares the
# table feature `timestampNtz`, which they need.
# Observed: within maps they are not looked for, so the feature is missing and the table is refused; and the feature cannot
# be asked for, as its property is refused too.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import deltalake
import pyarrow as pa

print("deltalake", deltalake.__version__, "pyarrow", pa.__version__)
moment = pa.timestamp("us")
kinds = {
    "list": pa.list_(moment),
    "struct": pa.struct([("at", moment)]),
    "map": pa.map_(pa.string(), moment),
    "map, feature asked for": pa.map_(pa.string(), moment),
}
found = {}
for name, kind in kinds.items():
    configuration = {"delta.feature.timestampNtz": "supported"} if "asked" in name else None
    try:
        deltalake.write_deltalake(name, pa.table({"x": pa.nulls(1, kind)}), configuration=configuration)
        found[name] = "written"
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"
    print(f"{name}: {found[name]}")
is_so = found["list"] == found["struct"] == "written" and all("Error" in found[name] for name in kinds if "map" in name)
sys.exit(not is_so)
PYTHON
