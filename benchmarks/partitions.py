"""Tables by partition: a new file among a thousand, a plan of a hundred thousand, and Delta tables, each measured."""

from __future__ import annotations

import itertools
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measuring import Measured, Paired, measure
from benchmarks.projects import DATA
from lakehouse_cli.model.period import period_key, period_number

_FILES, _ROWS, _HOURS, _REPLACED = 1_000, 10_000, 100_000, 100
_FIRST = date(2021, 1, 1)

_DAYS_YAML = """
name: days
module: transforms
tables:
  raw: {kind: source, path: "raw/{day:%Y-%m-%d}", columns: {id: int64, name: string, value: float64}}
  daily: {partitions: [day], inputs: [raw], columns: {id: int64, name: string, value: float64}}
"""
_DAYS_PANDAS = """
import pandas as pd


def daily(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.assign(value=raw["value"] * 2)
"""
_DAYS_ARROW = """
import pyarrow as pa


def daily(raw: pa.Table) -> pa.Table:
    return raw
"""
_HOURS_YAML = """
name: hours
module: transforms
dimensions: {{hour: {{every: hour, start: 2010-01-01T00, end: {end}}}}}
tables:
  rates: {{kind: source, columns: {{x: int64}}}}
  hourly: {{partitions: [hour], inputs: [rates], columns: {{x: int64}}}}
"""
_HOURS_CODE = "import pyarrow as pa\n\n\ndef hourly(rates: pa.Table) -> pa.Table:\n    return rates\n"
_DELTA_YAML = """
name: delta
module: transforms
dimensions: {{day: {{every: day, start: {start}, end: {end}}}}}
storages: {{default: {{root: data}}, lake: {{type: delta, root: lake}}}}
tables:
  rates: {{kind: source, columns: {{id: int64, value: float64}}}}
  daily: {{storage: lake, partitions: [day], inputs: [rates], columns: {{id: int64, value: float64}}}}
"""
_DELTA_CODE = "import pyarrow as pa\n\n\ndef daily(rates: pa.Table) -> pa.Table:\n    return rates\n"


def one_new_file(rounds: int, *, frame: str) -> Paired:
    """Plan and run of a table by day, of which one file is new, beside the run of all of it.

    Args:
        rounds: How often.
        frame: `pandas` or `pyarrow`: what the transform imports.
    """
    folder = _project("days", _DAYS_YAML, {"pandas": _DAYS_PANDAS, "pyarrow": _DAYS_ARROW}[frame])
    text = "id,name,value\n" + "".join(f"{row},name {row % 100},{row * 1.5}\n" for row in range(_ROWS))
    raw = folder / "data/raw"
    raw.mkdir(exist_ok=True)
    files = [raw / f"{_FIRST + timedelta(each)}.csv" for each in range(_FILES)]
    for file in files:
        file.exists() or file.write_text(text)
    new = raw / f"{_FIRST + timedelta(_FILES)}.csv"
    ours, theirs = [], []
    with _aside(folder, "data/daily", "data/.lakehouse", ".lakehouse") as put_aside:
        for _ in range(rounds + 1):  # the first one does not count
            put_aside()
            new.unlink(missing_ok=True)
            theirs.append(measure(["lakehouse", "run"], folder))
            new.write_text(text)
            ours.append(measure(["sh", "-c", "lakehouse plan && lakehouse run"], folder))
    what = f"plan and run, one new file, a table by day by {frame}"
    yardstick = f"run of all {_FILES:,} files of 10^4 rows"
    return Paired(what, yardstick, tuple(ours[1:]), tuple(theirs[1:]))


def two_starts(rounds: int, *, frame: str) -> Measured:
    """What plan and run take at the least, medians: two starts of Python, of which one imports what frames are of."""
    code = f"'{sys.executable}' -c pass && '{sys.executable}' -c 'import {frame}'"
    return _medians([measure(["sh", "-c", code], DATA) for _ in range(rounds)])


def up_to_date(rounds: int) -> Measured:
    """The plan of very many partitions that are up to date, medians; to make them takes minutes, once."""
    end = period_key(period_number("2010-01-01T00", "hour") + _HOURS - 1, "hour")
    folder = _project("hours", _HOURS_YAML.format(end=end), _HOURS_CODE)
    rates = folder / "data/rates.csv"
    rates.exists() or rates.write_text("x\n1\n")
    measure(["lakehouse", "run", "--executor", "serial"], folder)
    return _medians([measure(["lakehouse", "plan"], folder) for _ in range(rounds)])


def replaced(rounds: int) -> tuple[float, float]:
    """Milliseconds of CPU and on the clock that a replaced Delta partition takes beyond its data.

    That is the run of all beyond a run of one, and what it takes Arrow to write the same files is taken off.
    """
    import pyarrow as pa

    last = _FIRST + timedelta(_REPLACED - 1)
    folder = _project("delta", _DELTA_YAML.format(start=_FIRST, end=last), _DELTA_CODE)
    rows = pa.table({"id": range(_ROWS), "value": [row * 1.5 for row in range(_ROWS)]})
    lines = (f"{number},{value}\n" for number, value in zip(*rows.to_pydict().values(), strict=True))
    (folder / "data/rates.csv").write_text("id,value\n" + "".join(lines))
    for made in ("lake", ".lakehouse"):
        shutil.rmtree(folder / made, ignore_errors=True)
    every = ["lakehouse", "run", "--force", "--executor", "serial"]
    one = [*every, "--partition", f"day={_FIRST}"]
    measure(every, folder)
    measure(one, folder)
    beyond = []
    for _ in range(rounds):
        ours, start, data = measure(every, folder), measure(one, folder), _written(rows, folder)
        beyond.append((ours.cpu - start.cpu - data[0], ours.wall - start.wall - data[1]))
    cpu, wall = map(statistics.median, zip(*beyond, strict=True))
    return 1_000 * cpu / (_REPLACED - 1), 1_000 * wall / (_REPLACED - 1)


def _written(rows: object, folder: Path) -> tuple[float, float]:
    """Seconds of CPU and on the clock that the data of all partitions but one take."""
    import pyarrow.parquet as pq

    with TemporaryDirectory(dir=folder) as place:
        begun = time.process_time(), time.perf_counter()
        for number in range(_REPLACED - 1):
            pq.write_table(rows, f"{place}/{number}.parquet", compression="zstd", write_page_checksum=True)
        return time.process_time() - begun[0], time.perf_counter() - begun[1]


def _project(name: str, declared: str, code: str) -> Path:
    folder = DATA / name
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "lakehouse.yaml").write_text(declared)
    (folder / "transforms.py").write_text(code)
    return folder


@contextmanager
def _aside(folder: Path, *made: str) -> Iterator[Callable[[], None]]:
    """What puts that aside that was made, to be removed at the end only, as `paired` has it."""
    with TemporaryDirectory(dir=folder.parent) as place:
        places = (Path(place, str(number)) for number in itertools.count())

        def put_aside() -> None:
            for name in made:
                if (folder / name).exists():
                    (folder / name).rename(next(places))

        yield put_aside


def _medians(found: list[Measured]) -> Measured:
    of = (statistics.median(getattr(each, name) for each in found) for name in ("wall", "cpu", "peak_mb", "own"))
    return Measured(*of)
