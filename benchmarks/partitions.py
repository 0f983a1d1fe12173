"""Measure tables by partition: `python -m benchmarks.partitions [FILES [HOURS]]`.

A file a day of 10^4 rows, so many of them (1,000), in a table by day, one by month and a sum: all of it, then one new
file. And the plan of a table of so many hours (100,000) that are up to date, which takes minutes to make first.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measuring import Measured, measure
from lakehouse_cli.model.period import period_key, period_number

_DAYS = """
name: days
module: transforms
dimensions: {month: {every: month}}
tables:
  raw: {kind: source, path: "raw/{day:%Y-%m-%d}", columns: {id: int64, amount: float64}}
  daily: {partitions: [day], inputs: [raw], columns: {id: int64, amount: float64}}
  monthly: {partitions: [month], inputs: [daily], columns: {rows: int64, total: float64}}
  summary: {inputs: [monthly], columns: {total: float64}}
"""
_OF_DAYS = """
import pandas as pd

def daily(raw):
    return raw.assign(amount=raw["amount"] * 2)

def monthly(daily):
    return pd.DataFrame({"rows": [len(daily)], "total": [daily["amount"].sum()]})

def summary(monthly):
    return pd.DataFrame({"total": [monthly["total"].sum()]})
"""
_HOURS = """
name: hours
module: transforms
dimensions: {{hour: {{every: hour, start: 2010-01-01T00, end: {end}}}}}
tables:
  rates: {{kind: source, columns: {{x: int64}}}}
  hourly: {{partitions: [hour], inputs: [rates], columns: {{x: int64}}}}
"""
_OF_HOURS = "import pyarrow as pa\n\ndef hourly(rates: pa.Table) -> pa.Table:\n    return rates\n"


def _project(folder: Path, declared: str, code: str) -> None:
    (folder / "lakehouse.yaml").write_text(declared)
    (folder / "transforms.py").write_text(code)
    (folder / "data/raw").mkdir(parents=True)


def _show(what: str, found: Measured) -> None:
    print(f"{what}: {found.wall:.2f} s, {found.cpu:.2f} s of CPU, {found.peak_mb:.0f} MiB", flush=True)


def days(folder: Path, files: int) -> None:
    """Measure all days, and one that is new."""
    _project(folder, _DAYS, _OF_DAYS)
    text = "id,amount\n" + "".join(f"{each},{each / 4}\n" for each in range(10_000))
    made = [date(2021, 1, 1) + timedelta(each) for each in range(files + 1)]
    for day in made[:-1]:
        (folder / f"data/raw/{day}.csv").write_text(text)
    whole = measure(["lakehouse", "run"], folder)
    _show(f"run, {files:,} files", whole)
    _show("plan, up to date", measure(["lakehouse", "plan"], folder))
    (folder / f"data/raw/{made[-1]}.csv").write_text(text)
    plan, run = (measure(["lakehouse", command], folder) for command in ("plan", "run"))
    _show("plan, one new file", plan)
    _show("run, one new file", run)
    wall, cpu = ((getattr(plan, each) + getattr(run, each)) / getattr(whole, each) for each in ("wall", "cpu"))
    print(f"one new file, plan and run: {wall:.4f} of all, {cpu:.4f} of CPU (promised: 0.02)", flush=True)


def hours(folder: Path, count: int) -> None:
    """Measure the plan of very many partitions that are up to date."""
    end = period_key(period_number("2010-01-01T00", "hour") + count - 1, "hour")
    _project(folder, _HOURS.format(end=end), _OF_HOURS)
    (folder / "data/rates.csv").write_text("x\n1\n")
    _show(f"run, {count:,} hours", measure(["lakehouse", "run", "--executor", "serial"], folder))
    for _ in range(3):
        _show("plan, up to date (promised: 2 s, 300 MiB)", measure(["lakehouse", "plan"], folder))


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    counts = [*given, *(1_000, 100_000)[len(given) :]]
    with TemporaryDirectory() as place:
        for measured, count in zip((days, hours), counts, strict=True):
            folder = Path(place, measured.__name__)
            folder.mkdir()
            measured(folder, count)
