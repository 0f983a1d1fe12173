"""The projects that are measured, made anew where they are not there; deterministic."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import sys
from pathlib import Path

DATA = Path(__file__).parent / ".data"
ROWS = 10_000_000

_LOOP = """
import inspect
import pathlib

import pandas as pd

import transforms

pathlib.Path("out").mkdir(exist_ok=True)
for name, function in list(vars(transforms).items()):
    if name.startswith("t") and callable(function):
        frames = [
            pd.read_csv(f"raw/{p}.csv" if p.startswith("s") else f"out/{p}.csv")
            for p in inspect.signature(function).parameters
        ]
        function(*frames).to_csv(f"out/{name}.csv", index=False)
"""


_DECLARED = """
import transforms
from lakehouse_cli import Lakehouse, computed_table, source_table

columns = {"id": "int64", "name": "string", "value": "float64"}
sources = [source_table(f"s{index:03}", storage="raw", columns=columns) for index in range(100)]
functions = {name: value for name, value in vars(transforms).items() if name.startswith("t")}
tables = [computed_table(function, name=name, columns=columns) for name, function in functions.items()]
storages = {"default": {"root": "data"}, "raw": {"root": "raw"}}
lakehouse = Lakehouse([*sources, *tables], name="thousand", storages=storages)
"""


def thousand_tables() -> Path:
    """1,000 trivial tables in ten layers over 100 sources of ten rows: in YAML, in Python, and as a plain loop."""
    folder = DATA / "thousand"
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    chance = random.Random(1)
    lines = ["name: thousand", "module: transforms"]
    lines += ["storages: {default: {root: data}, raw: {root: raw}}", "tables:"]
    code = ["import pandas as pd", ""]
    columns = "    columns: {id: int64, name: string, value: float64}"
    previous = [f"s{index:03}" for index in range(100)]
    for source in previous:
        lines += [f"  {source}:", "    kind: source", "    storage: raw", columns]
        rows = "".join(f"{row},n{row},{row * 1.5}\n" for row in range(10))
        (folder / f"raw/{source}.csv").write_text("id,name,value\n" + rows)
    for layer in range(10):
        tables = [f"t{layer}_{index:03}" for index in range(100)]
        for table in tables:
            one, two = chance.sample(previous, 2)
            lines += [f"  {table}:", columns]
            code += [f"def {table}({one}: pd.DataFrame, {two}: pd.DataFrame) -> pd.DataFrame:"]
            code += [f'    return {one}.assign(value={one}["value"] + {two}["value"])', ""]
        previous = tables
    (folder / "lakehouse.yaml").write_text("\n".join(lines) + "\n")
    (folder / "transforms.py").write_text("\n".join(code) + "\n")
    (folder / "loop.py").write_text(_LOOP)
    (folder / "declared.py").write_text(_DECLARED)
    return folder


_WEATHER_YAML = """
name: weather
module: transforms
tables:
  observations:
    kind: source
    options: {null_values: [M, ""]}
    columns:
      station: string
      valid: timestamp[s]
      tmpf: float64
      dwpf: float64
      relh: float64
      sknt: float64
      alti: float64
  clean:
    columns:
      station: string
      valid: timestamp[s]
      tmpf: float64
      dwpf: float64
      relh: float64
      sknt: float64
      alti: float64
  daily_max:
    columns: {station: string, day: date32, max_tmpf: float64}
"""
_WEATHER_TRANSFORMS = """
import pandas as pd


def clean(observations: pd.DataFrame) -> pd.DataFrame:
    return observations[observations["tmpf"].notna() & (observations["tmpf"] < 140)]


def daily_max(observations: pd.DataFrame) -> pd.DataFrame:
    day = observations["valid"].dt.normalize().rename("day")
    return observations.groupby(["station", day])["tmpf"].max().rename("max_tmpf").reset_index()
"""
_WEATHER_PANDAS = """
import pathlib

import pandas as pd

import transforms

pathlib.Path("out").mkdir(exist_ok=True)
observations = pd.read_csv(
    "data/observations.csv",
    na_values="M",
    parse_dates=["valid"],
    usecols=["station", "valid", "tmpf", "dwpf", "relh", "sknt", "alti"],
)
transforms.clean(observations).to_csv("out/clean.csv", index=False)
transforms.daily_max(observations).to_csv("out/daily_max.csv", index=False)
"""


def weather(rows: int = ROWS) -> Path:
    """10^7 weather observations (0.5 GB) to clean and to take the daily maximum of, and the same in pandas."""
    folder = DATA / "weather"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "lakehouse.yaml").write_text(_WEATHER_YAML)
    (folder / "transforms.py").write_text(_WEATHER_TRANSFORMS)
    (folder / "plain.py").write_text(_WEATHER_PANDAS)
    file = folder / "data/observations.csv"
    if not file.exists():
        write_observations(file, rows)
    return folder


_STREAMED = """
import datetime as dt
from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc


def batches(observations: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    for batch in observations:
        yield batch.filter(pc.less(batch["tmpf"], 140))


def lazy(observations: pl.LazyFrame) -> pl.LazyFrame:
    return observations.filter(pl.col("tmpf") < 140)


def hottest(observations: pl.LazyFrame) -> pl.LazyFrame:
    by_day = observations.group_by("station", pl.col("valid").dt.date().alias("day"))
    return by_day.agg(pl.col("tmpf").max().alias("max_tmpf"))
"""
_STREAMED_POLARS = """
import pathlib

import polars as pl

pathlib.Path("out").mkdir(exist_ok=True)
types = {name: pl.Float64 for name in ("tmpf", "dwpf", "relh", "sknt", "alti")}
read = pl.scan_csv("data/observations.csv", null_values="M", schema_overrides=types, try_parse_dates=True)
read.filter(pl.col("tmpf") < 140).sink_csv("out/lazy.csv")
by_day = read.group_by("station", pl.col("valid").dt.date().alias("day"))
by_day.agg(pl.col("tmpf").max().alias("max_tmpf")).sort("station", "day").sink_csv("out/hottest.csv")
"""


def streamed(rows: int = ROWS) -> Path:
    """The observations of `weather` filtered batch by batch and lazily, and the same by polars alone."""
    folder = weather(rows)
    header, _, columns = _WEATHER_YAML.partition("  clean:")
    columns = columns.partition("  daily_max:")[0]
    tables = f"  batches:{columns}    key: [valid, station]\n  lazy:{columns}    key: [valid, station]\n"
    tables += "  hottest:\n    columns: {station: string, day: date32, max_tmpf: float64}\n    key: [station, day]\n"
    (folder / "lakehouse.yaml").write_text(header + tables)
    (folder / "transforms.py").write_text(_STREAMED)
    (folder / "streamed.py").write_text(_STREAMED_POLARS)
    return folder


def write_observations(file: Path, rows: int, apart: int = 600) -> None:
    """Write rows of ten stations; moments are so many seconds apart."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    chance = np.random.default_rng(1)
    schema = pa.schema([(n, pa.string()) for n in ("station", "valid", "tmpf", "dwpf", "relh", "sknt", "alti")])
    options = pyarrow.csv.WriteOptions(quoting_style="none", quoting_header="none")
    aside = file.with_suffix(".part")
    with pyarrow.csv.CSVWriter(aside, schema, write_options=options) as writer:
        for first in range(0, rows, 500_000):
            count = min(500_000, rows - first)
            moments = np.datetime64("2000-01-01T00:00:00") + (np.arange(first, first + count) // 10 * apart).astype(
                "m8[s]"
            )
            station = pa.array(np.array([f"K{i:03}" for i in range(10)], dtype=object)[np.arange(count) % 10])
            columns = [station, pa.array(moments).cast(pa.string())]
            for mean, spread, missing in ((55, 15, 0.02), (45, 12, 0.02), (60, 20, 0.02), (8, 3, 0.1), (30, 0.2, 0.05)):
                values = pa.array(chance.normal(mean, spread, count).round(2)).cast(pa.string())
                columns.append(pa.compute.if_else(pa.array(chance.random(count) < missing), "M", values))
            writer.write_batch(pa.record_batch(columns, schema=schema))
    aside.rename(file)


_FOUR = """
import time

import pandas as pd


def _busy(number):
    end = time.process_time() + 1.0
    while time.process_time() < end:
        pass
    return pd.DataFrame({"a": [number]})

"""


def four_transforms() -> Path:
    """Four tables that need nothing of each other, each a second of Python's time."""
    folder = DATA / "four"
    folder.mkdir(parents=True, exist_ok=True)
    tables = "".join(f"  t{i}: {{columns: {{a: int64}}}}\n" for i in range(4))
    (folder / "lakehouse.yaml").write_text(f"name: four\nmodule: transforms\ntables:\n{tables}")
    functions = "".join(f"\ndef t{i}():\n    return _busy({i})\n" for i in range(4))
    (folder / "transforms.py").write_text(_FOUR + functions)
    return folder


_NUMBERS = "".join(f", {name}: float64" for name in ("tmpf", "dwpf", "relh", "sknt", "alti"))
_CHAIN_COLUMNS = f"columns: {{station: string, valid: 'timestamp[s]'{_NUMBERS}}}"
_CHAIN = """
import pyarrow as pa
import pyarrow.compute as pc


def _warmer(given: pa.Table) -> pa.Table:
    return given.set_column(2, "tmpf", pc.add(given["tmpf"], 1))
"""


def chain_of_four(rows: int = ROWS) -> Path:
    """Four tables, each of the one before it, with all rows of `weather`'s observations."""
    folder = DATA / "chain"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    names = ["observations", "t1", "t2", "t3", "t4"]
    tables = "".join(f"  {name}: {{{_CHAIN_COLUMNS}}}\n" for name in names[1:])
    source = f"  observations: {{kind: source, {_CHAIN_COLUMNS}, options: {{null_values: [M, '']}}}}\n"
    (folder / "lakehouse.yaml").write_text(f"name: chain\nmodule: transforms\ntables:\n{source}{tables}")
    steps = itertools.pairwise(names)
    functions = "".join(f"\n\ndef {name}({given}: pa.Table):\n    return _warmer({given})\n" for given, name in steps)
    (folder / "transforms.py").write_text(_CHAIN + functions)
    file = folder / "data/observations.csv"
    if not file.exists():
        write_observations(file, rows)
    return folder


_PASSED_ON = """
import pyarrow as pa


def passed_on(given: pa.Table) -> pa.Table:
    return given
"""


def quoted(rows: int = 2_000_000) -> Path:
    """Rows of four columns, two of them in quotes, passed on as they are."""
    folder = DATA / "quoted"
    columns = "    columns: {id: int64, name: string, note: string, value: float64}"
    _passed_on(folder, "csv", columns)
    file = folder / "data/given.csv"
    if not file.exists():
        lines = (f'{row},"name {row % 1000}","of {row}, and ""so"" on",{row / 4}\n' for row in range(rows))
        with file.open("w", encoding="utf-8") as sink:
            sink.write("id,name,note,value\n")
            sink.writelines(lines)
    return folder


def parquet(rows: int = ROWS) -> Path:
    """Rows of four columns in Parquet, passed on as they are; written without checksums."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet

    folder = DATA / "parquet"
    columns = "    columns: {id: int64, name: string, value: float64, at: 'timestamp[us]'}"
    _passed_on(folder, "parquet", columns)
    file = folder / "data/given.parquet"
    if not file.exists():
        at = np.arange(rows)
        names = pa.array([f"name {row}" for row in range(1000)]).take(pa.array(at % 1000))
        value = pa.array(np.random.default_rng(1).normal(size=rows))
        table = pa.table({"id": at, "name": names, "value": value, "at": pa.array(at).cast(pa.timestamp("us"))})
        pyarrow.parquet.write_table(table, file)
    return folder


_COUNTED = """
import pyarrow as pa


def counted(given: pa.RecordBatchReader) -> pa.Table:
    return pa.table({"rows": [sum(batch.num_rows for batch in given)]})
"""


def daily(files: int = 1_000, rows: int = 10_000) -> tuple[Path, Path]:
    """So many files of so many rows of CSV as one source, and the same rows in one file, each counted by a table."""
    text = "".join(f"{row},name {row % 100},{row * 1.5}\n" for row in range(rows)).encode()
    header = b"id,name,value\n"
    many, one = _counted("daily", "raw/day_*"), _counted("daily-in-one", "raw/all")
    (many / f"data/raw/day_{files - 1:06}.csv").exists() or _write_files(many, files, header + text)
    if not (one / "data/raw/all.csv").exists():
        with (one / "data/raw/all.csv").open("wb") as sink:
            sink.write(header)
            sink.writelines(text for _ in range(files))
    return many, one


def tiny(files: int = 100_000) -> Path:
    """So many files of one row of CSV."""
    folder = _counted("tiny", "raw/day_*")
    (folder / f"data/raw/day_{files - 1:06}.csv").exists() or _write_files(folder, files, b"id,name,value\n1,a,2.5\n")
    return folder


def _counted(name: str, path: str) -> Path:
    folder = DATA / name
    (folder / "data/raw").mkdir(parents=True, exist_ok=True)
    given = f'given: {{kind: source, path: "{path}", columns: {{id: int64, name: string, value: float64}}}}'
    tables = f"  {given}\n  counted: {{columns: {{rows: int64}}}}\n"
    (folder / "lakehouse.yaml").write_text(f"name: {name}\nmodule: transforms\ntables:\n{tables}")
    (folder / "transforms.py").write_text(_COUNTED)
    return folder


def _write_files(folder: Path, files: int, content: bytes) -> None:
    for number in range(files):
        (folder / f"data/raw/day_{number:06}.csv").write_bytes(content)


_AGGREGATE = 'select name, "at"::date as day, count(*) as n, max(value) as top from given group by name, day'
_AGGREGATE_DUCKDB = f"""
import os
import pathlib

import duckdb

pathlib.Path("out").mkdir(exist_ok=True)
duckdb.execute(f"set threads = {{len(os.sched_getaffinity(0))}}")
duckdb.execute("create view given as select * from 'data/given.parquet'")
duckdb.execute('''copy ({_AGGREGATE} order by name, day) to 'out/aggregate.parquet' (compression zstd)''')
"""
# Both on a connection of its own each time, and with the same threads.
_AGGREGATE_WARM = """
from lakehouse_cli import Project

project = Project.load(".")


def compute():
    project.run(force=True)
"""
_AGGREGATE_DUCKDB_WARM = f"""
import os
import pathlib

import duckdb

pathlib.Path("out").mkdir(exist_ok=True)


def compute():
    with duckdb.connect(config={{"threads": len(os.sched_getaffinity(0))}}) as connection:
        connection.execute("create view given as select * from 'data/given.parquet'")
        connection.execute('''copy ({_AGGREGATE} order by name, day) to 'out/aggregate.parquet' (compression zstd)''')
"""


def aggregate(rows: int = ROWS) -> Path:
    """A count and a maximum by name and day over the rows of `parquet`, and the same by DuckDB alone, cold and warm."""
    folder = DATA / "aggregate"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    given = (parquet() if rows == ROWS else parquet_batches(rows)) / "data/given.parquet"
    (folder / "data/given.parquet").unlink(missing_ok=True)
    (folder / "data/given.parquet").hardlink_to(given)
    (folder / "lakehouse.yaml").write_text(
        "name: aggregate\nstorages: {default: {root: data, format: parquet}}\ntables:\n"
        "  given:\n    kind: source\n    columns: {id: int64, name: string, value: float64, at: 'timestamp[us]'}\n"
        f"  aggregate:\n    sql: {_AGGREGATE}\n    key: [name, day]\n"
        "    columns: {name: string, day: date32, n: int64, top: float64}\n"
    )
    (folder / "duck.py").write_text(_AGGREGATE_DUCKDB)
    (folder / "warm.py").write_text(_AGGREGATE_WARM)
    (folder / "warm_duck.py").write_text(_AGGREGATE_DUCKDB_WARM)
    return folder


def thousand_queries() -> Path:
    """The tables of `thousand_tables`, computed by queries."""
    python = thousand_tables()
    folder = DATA / "queries"
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    for source in (python / "raw").iterdir():
        (folder / "raw" / source.name).write_bytes(source.read_bytes())
    queries = {
        name: f"    sql: select a.id, a.name, a.value + b.value as value from {one} a join {two} b using (id)"
        for name, one, two in re.findall(
            r"^def (\w+)\((\w+): pd.DataFrame, (\w+)", (python / "transforms.py").read_text(), re.MULTILINE
        )
    }
    lines = (python / "lakehouse.yaml").read_text().replace("module: transforms\n", "").splitlines()
    text = (f"{line}\n{queries[name]}" if (name := line.strip(" :")) in queries else line for line in lines)
    (folder / "lakehouse.yaml").write_text("\n".join(text) + "\n")
    return folder


_PASSED_ON_BATCHES = """
from collections.abc import Iterator

import pyarrow as pa


def passed_on(given: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    yield from given
"""
_PASSED_ON_ARROW = """
import pyarrow.parquet as pq

pq.write_table(pq.read_table("data/given.parquet"), "data/passed.parquet")
"""


def parquet_batches(rows: int = ROWS) -> Path:
    """The rows of `parquet` in row groups of 10^7, passed on batch by batch, and the same by Arrow as a whole."""
    folder = DATA / "parquet-batches"
    _passed_on(folder, "parquet", "    columns: {id: int64, name: string, value: float64, at: 'timestamp[us]'}")
    (folder / "transforms.py").write_text(_PASSED_ON_BATCHES)
    (folder / "plain.py").write_text(_PASSED_ON_ARROW)
    # By another process: Linux counts the peak of the one that starts a command as that of the command.
    code = f"from benchmarks import projects; projects.write_large_groups({rows})"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
    return folder


def write_large_groups(rows: int) -> None:
    """Write the source of `parquet_batches`."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(parquet() / "data/given.parquet")
    file = DATA / "parquet-batches/data/given.parquet"
    with pyarrow.parquet.ParquetWriter(file, table.schema) as writer:
        for start in range(0, rows, table.num_rows):
            writer.write_table(table.slice(0, rows - start), row_group_size=table.num_rows)


def _passed_on(folder: Path, storage_format: str, columns: str) -> None:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    tables = f"  given:\n    kind: source\n{columns}\n  passed_on:\n{columns}\n"
    storage = f"storages: {{default: {{root: data, format: {storage_format}}}}}"
    (folder / "lakehouse.yaml").write_text(f"name: passed_on\nmodule: transforms\n{storage}\ntables:\n{tables}")
    (folder / "transforms.py").write_text(_PASSED_ON)
