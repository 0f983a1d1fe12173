#!/bin/sh
# pyarrow's list_flatten and list_parent_indices, made to be used together, disagree where a null list has items: which
# a cast from lists of fixed size makes of each null.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
import pyarrow.compute as pc

print(f"pyarrow {pa.__version__}")
fixed = pa.array([None, [1, 2], None], pa.list_(pa.int64(), 2))
lists = fixed.cast(pa.list_(pa.int64()))
lists.validate(full=True)
made = pa.array(lists.to_pylist(), lists.type)
print(f"Lists of fixed size, cast to lists: {lists.to_pylist()}")
assert lists.equals(made)

for name, array in (("fixed size", fixed), ("cast to lists", lists), ("made of Python's lists", made)):
    items, parents = pc.list_flatten(array).to_pylist(), pc.list_parent_indices(array).to_pylist()
    print(f"{name}: list_flatten {items}, list_parent_indices {parents}")
    assert items == [1, 2]
    assert parents == ([0, 0, 1, 1, 2, 2] if name == "cast to lists" else [1, 1])

print("One would expect a parent for each item, and the same of arrays that are equal. A cast keeps the places of nulls;")
print("list_flatten leaves them out, list_parent_indices counts them, so that items are taken for those of other rows.")
taken = pa.table({"id": [10, 20, 30]}).column("id").take(pa.array([0, 0, 1, 1, 2, 2]).slice(0, 2)).to_pylist()
print(f"The ids 10, 20, 30 of the rows, by the first two parents: {taken}; the items are those of 20.")
assert taken == [10, 10]
PYTHON
