"""What is the libraries' own in figures that miss what is promised: `python -m benchmarks.floors [PART …]`.

- `imports`: a query by DuckDB alone, in a process that imports what any tool of this kind would first.
- `pandas`: a transform alone, of a frame that no file was read for, beside pandas reading and writing files.
- `groups`: an aggregate of as many rows by ten times the groups, by polars alone and by ours.
- `rows`: an aggregate of three times the rows by as many groups, by ours.
- `blocks`: rows inserted into a DuckDB file by DuckDB alone, and how much of its memory are blocks of that file.

Peaks are of resident memory, whatever else the machine does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import projects
from benchmarks.measuring import apart, measure, paired

_IMPORTS = "import msgspec, pyarrow.compute, pyarrow.parquet, typer, yaml\n"
_FRAME = """
import numpy as np
import pandas as pd
import pyarrow as pa

import transforms

rows = 10_000_000
names = pa.array([f"K{i:03}" for i in range(10)], pa.large_string())
columns = {"station": pd.Series(names.take(pa.array(np.arange(rows, dtype="i4") % 10)), dtype="str")}
columns["valid"] = np.datetime64("2000-01-01T00:00:00") + np.arange(rows) // 10 * 600
for name in ("tmpf", "dwpf", "relh", "sknt", "alti"):
    columns[name] = np.random.default_rng(1).normal(55, 15, rows)
columns["tmpf"][::50] = np.nan
frame = pd.DataFrame(columns, copy=False)
del columns, names
transforms.clean(frame)
"""
_MAXIMA = """
import polars as pl

read = pl.scan_csv("data/observations.csv", null_values="M", try_parse_dates=True)
by_day = read.group_by("station", pl.col("valid").dt.date().alias("day"))
by_day.agg(pl.col("tmpf").cast(float).max().alias("max_tmpf")).sort("station", "day").sink_csv("hottest.csv")
"""
_BLOCKS = """
import pathlib
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet

rows = int(sys.argv[1])
given = pa.parquet.ParquetFile("data/given.parquet", pre_buffer=False)


def batches():
    left = rows
    while left:
        for batch in given.iter_batches(65_536):
            yield (batch := batch.slice(0, left))
            left -= batch.num_rows
            if not left:
                return


pathlib.Path("blocks.duckdb").unlink(missing_ok=True)
connection = duckdb.connect("blocks.duckdb", config=dict([sys.argv[2].split("=")]) if sys.argv[2:] else {})
connection.register("incoming", pa.RecordBatchReader.from_batches(given.schema_arrow, batches()))
connection.execute("create table stored as from incoming")
[[held]] = connection.execute("select sum(memory_usage_bytes) // 1048576 from duckdb_memory()").fetchall()
print(f"  {held} MB held by DuckDB, ", file=sys.stderr, end="")
connection.close()
pathlib.Path("blocks.duckdb").unlink()
"""

_RUN = ["lakehouse", "run", "--force", "--workers", "1"]
_OURS = {
    "ours, maxima": [*_RUN, "hottest"],
    "ours, rows filtered by batches, and maxima": [*_RUN, "batches", "hottest"],
}


def imports() -> None:
    """Seconds with the imports, and without."""
    folder = projects.aggregate()
    (folder / "imports.py").write_text(_IMPORTS + (folder / "duck.py").read_text())
    duck, more = ([sys.executable, name] for name in ("duck.py", "imports.py"))
    pair = paired("imports", more, "DuckDB alone", duck, folder, 9)
    for quantity in ("wall", "cpu"):
        of = partial(_quantity, quantity)
        ours, theirs = pair.medians(of)
        print(f"{quantity} of DuckDB alone {theirs:.2f} s, with the imports {ours:.2f} s: {pair.ratio(of):.2f}")


def _quantity(name: str, measured: object) -> float:
    return float(getattr(measured, name))


def pandas() -> None:
    """Peaks of the transform alone, and of pandas reading and writing files besides."""
    folder = projects.weather()
    (folder / "frame.py").write_text(_FRAME)
    alone, plain = (measure([sys.executable, name], folder).peak_mb for name in ("frame.py", "plain.py"))
    print(f"`clean` alone {alone:.0f} MB, with files read and written {plain:.0f} MB: {alone / plain:.2f}")


def groups() -> None:
    """Peaks by 69,450 groups, and by 694,450."""
    few = projects.streamed()
    many = _with_rows("weather-by-many-days", projects.ROWS, 6000)
    for folder in (few, many):
        (folder / "maxima.py").write_text(_MAXIMA)
    _compare({"polars alone, maxima": [sys.executable, "maxima.py"]} | _OURS, few, many)


def rows() -> None:
    """Peaks of 10^7 and 3 × 10^7 rows by as many groups."""
    _compare(_OURS, projects.streamed(), _with_rows("weather-3-fold", 3 * projects.ROWS, 200))


def _compare(commands: dict[str, list[str]], first: Path, second: Path) -> None:
    for what, command in commands.items():
        one, other = (measure(command, folder).peak_mb for folder in (first, second))
        print(f"{what}: {one:.0f} MB and {other:.0f} MB: {other - one:+.0f} MB, {other / one:.2f}", flush=True)


def _with_rows(name: str, rows: int, every: int) -> Path:
    """The project `streamed` with other rows, of which each station has one every so many seconds."""
    first = projects.streamed()
    folder = first.with_name(name)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for file in ("lakehouse.yaml", "transforms.py"):
        (folder / file).write_text((first / file).read_text())
    if not (folder / "data/observations.csv").exists():
        apart(partial(projects.write_observations, folder / "data/observations.csv", rows, every))
    return folder


def blocks() -> None:
    """Peaks of 10^6, 10^7 and 3 × 10^7 rows, and of the last with a limit."""
    folder = projects.parquet()
    (folder / "blocks.py").write_text(_BLOCKS)
    for rows, *limit in (("1000000",), ("10000000",), ("30000000",), ("30000000", "memory_limit=200MB")):
        peak = measure([sys.executable, "blocks.py", rows, *limit], folder).peak_mb
        print(f"{' '.join([f'{int(rows):,} rows', *limit])}: {peak:.0f} MB", flush=True)


_PARTS: dict[str, Callable[[], None]] = {
    "imports": imports,
    "pandas": pandas,
    "groups": groups,
    "rows": rows,
    "blocks": blocks,
}

if __name__ == "__main__":
    assert Path("benchmarks").is_dir(), "run it in the folder of the repository"
    for part in sys.argv[1:] or _PARTS:
        _PARTS[part]()
