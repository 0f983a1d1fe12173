#!/bin/sh
# Handing pyarrow a single value of Python imports pandas, if it is installed: a script that only reads, compares and
# writes Arrow tables pays for pandas, and threads that begin with it import pandas at the same time.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1' 'pandas==3.1.1'
cat > "$folder/imported.py" <<'EOF'
import sys
from array import array

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

words = csv.read_csv(pa.BufferReader(b"word,n\na,1\nb,2\n"))
numbers = pa.Array.from_buffers(pa.int64(), 2, [None, pa.py_buffer(array("q", [1, 2]))])
EOF
python=$folder/venv/bin/python
"$python" -c 'import pandas, pyarrow; print("pyarrow", pyarrow.__version__, "with pandas", pandas.__version__)'
wrong=0
check() {
    found=$(cd "$folder" && "$python" -c "from imported import *
$2
print('pandas' in sys.modules)")
    printf '%-58s pandas imported: %s\n' "$2" "$found"
    [ "$found" = "$1" ] || wrong=1
}
check False 'words.filter(pc.equal(words["word"], words["word"]))'
check False 'numbers.cast(pa.string()).to_pylist()'
check False 'pc.add(numbers, numbers[0])'
check True 'pa.scalar(5)'
check True 'pa.array([1, 2], pa.int64())'
check True 'pc.equal(words["word"], "a")'
check True 'pc.fill_null(words["n"], 0)'
check True 'numbers.to_numpy()'
echo "One would have expected pandas where a frame goes in or out, and nowhere else."
exit $wrong
