"""Tables by partition: a new file among a thousand, a plan of a hundred thousand, and Delta tables, each measured."""

from __future__ import annotations

import itertools
import shutil
import statistics
import subprocess
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
_ALL = f"run of all {_FILES:,} files of 10^4 rows"

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
_IN_ONE_PROCESS = """
import sys, time
from pathlib import Path

from lakehouse_cli import Project

aside, new, like, rounds = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])


def measured(*works):
    begun = time.perf_counter(), time.process_time()
    for work in works:
        work(Project.load("."))
    print(time.perf_counter() - begun[0], time.process_time() - begun[1])


for number in range(rounds):
    for made in ("data/daily", "data/.lakehouse", ".lakehouse"):
        if Path(made).exists():
            Path(made).rename(f"{aside}/{number} {made.replace('/', ' ')}")
    new.unlink(missing_ok=True)
    measured(Project.run)
    new.write_bytes(like.read_bytes())
    measured(Project.plan, Project.run)
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
    folder, (*files, new) = _days(frame)
    ours, theirs = [], []
    with _aside(folder, "data/daily", "data/.lakehouse", ".lakehouse") as put_aside:
        for _ in range(rounds + 1):  # the first one does not count
            put_aside()
            new.unlink(missing_ok=True)
            theirs.append(measure(["lakehouse", "run"], folder))
            shutil.copyfile(files[0], new)
            ours.append(measure(["sh", "-c", "lakehouse plan && lakehouse run"], folder))
    what = f"plan and run, one new file, a table by day by {frame}"
    return Paired(what, _ALL, tuple(ours[1:]), tuple(theirs[1:]))


def in_one_process(rounds: int, *, frame: str) -> Paired:
    """The same, both by `Project` in one process that made a run of all and one of a new file before."""
    folder, (*files, new) = _days(frame)
    with TemporaryDirectory(dir=folder.parent) as aside:
        command = [sys.executable, "-c", _IN_ONE_PROCESS, aside, str(new), str(files[0]), str(rounds + 1)]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    taken = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    theirs, ours = (tuple(Measured(wall, cpu, 0, cpu) for wall, cpu in taken[at::2]) for at in (2, 3))
    return Paired("the same, in one process that made such runs before", _ALL, ours, theirs)


def _days(frame: str) -> tuple[Path, list[Path]]:
    """The project of a table by day, and its files; the last of them is not there, and the others are."""
    folder = _project("days", _DAYS_YAML, {"pandas": _DAYS_PANDAS, "pyarrow": _DAYS_ARROW}[frame])
    (folder / "data/raw").mkdir(exist_ok=True)
    files = [folder / f"data/raw/{_FIRST + timedelta(each)}.csv" for each in range(_FILES + 1)]
    text = "id,name,value\n" + "".join(f"{row},name {row % 100},{row * 1.5}\n" for row in range(_ROWS))
    for file in files[:-1]:
        file.exists() or file.write_text(text)
    files[-1].unlink(missing_ok=True)
    return folder, files


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
