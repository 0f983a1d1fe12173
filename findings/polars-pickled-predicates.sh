#!/bin/sh
# polars pickles a filter with a function of Python before it hands it to a source of Python (register_io_source), in the
# same process: without the package cloudpickle, which polars does not install, the query fails, and with it, what runs is
# a copy of the function. The same filter on a frame in memory calls the function itself. What is said of the predicate in
# the reference of register_io_source is that it is a "Polars expression".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q polars==2.1.0
cat > "$folder/filters.py" <<'PYTHON'
import sys
import threading
import warnings
from importlib.util import find_spec

import polars as pl
from polars.io.plugins import register_io_source

warnings.simplefilter("ignore")  # of the slowness of map_elements
DATA = pl.DataFrame({"a": [1, 2, 3]})
seen = []
lock = threading.Lock()


def rows(columns, predicate, count, batch):
    yield DATA if predicate is None else DATA.filter(predicate)


def noting(value):
    seen.append(value)
    return value > 1


def locking(value):
    with lock:
        return value > 1


def result(frame, function):
    seen.clear()
    try:
        found = frame.filter(pl.col("a").map_elements(function, return_dtype=pl.Boolean)).collect()
    except pl.exceptions.ComputeError as error:
        return str(error).splitlines()[0]
    return found["a"].to_list(), list(seen)


source = register_io_source(rows, schema=DATA.schema)
has = find_spec("cloudpickle") is not None
print(f"polars {pl.__version__}, cloudpickle installed: {has}")
results = {}
for name, function in (("notes what it sees", noting), ("takes a lock", locking)):
    for place, frame in (("frame", DATA.lazy()), ("source", source)):
        results[name, place] = result(frame, function)
        print(f"A filter that {name}, on a {place}: {results[name, place]}")
assert results["notes what it sees", "frame"] == ([2, 3], [1, 2, 3])
assert results["takes a lock", "frame"] == ([2, 3], [])
if has:
    assert results["notes what it sees", "source"] == ([2, 3], [])
    assert "cannot pickle" in results["takes a lock", "source"]
else:
    assert "No module named 'cloudpickle'" in results["notes what it sees", "source"]
    assert "No module named 'cloudpickle'" in results["takes a lock", "source"]
# A filter that polars does not push down is not pickled.
batches = source.filter(pl.col("a").map_batches(lambda a: a > 1, return_dtype=pl.Boolean)).collect()
print(f"With map_batches in the place of map_elements, on a source: {batches['a'].to_list()}")
assert batches["a"].to_list() == [2, 3]
PYTHON
echo "One would expect the same of a frame and of a source: rows [2, 3], and the values [1, 2, 3] seen."
"$folder/venv/bin/python" "$folder/filters.py"
"$folder/venv/bin/pip" install -q cloudpickle==3.1.3
"$folder/venv/bin/python" "$folder/filters.py"
