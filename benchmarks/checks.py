"""Checks, measured: ten on ten million rows beside Pandera, the memory of `unique`, runs with nothing due, tests.

`python -m benchmarks checks` measures all of it; Pandera (with its polars) need not be installed. The ten are two not
null, two ranges, two accepted values, a pattern, a length, unique on shuffled keys, an expression. Frames are in memory
before the clock starts; each validation is a process of its own, `python -m benchmarks.checks ROWS WHO TIMES UNIQUE`,
which says how long it took, and how much memory it had beyond its frame, at most.
"""

from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path
from statistics import median
from tempfile import gettempdir
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import apart, measure
from benchmarks.projects import DATA

_ACCEPTED = ["open", "paid", "sent", "done"]
_STATIONS = ["SFO", "OAK", "SJC", "LAX"]
_STREAM = """
from collections.abc import Iterator

import pyarrow as pa


def t(s: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return s
"""
_UNIQUE_YAML = """
name: unique
module: transforms
tables:
  s: {{kind: source, path: s{rows}, format: parquet, columns: {{id: int64, text: string, value: float64}}}}
  t: {{inputs: [s], format: parquet, columns: {{id: int64, text: string, value: float64}}, checks: {checks}}}
"""


class Validation(NamedTuple):
    """What one validation takes: seconds on the clock, of the processor, MB beyond its frame."""

    wall: float
    cpu: float
    peak_mb: float


def _data(rows: int) -> Path:
    """The data, made once."""
    path = Path(gettempdir()) / f"lakehouse-checks-{rows}.parquet"
    if not path.exists():
        apart(partial(_draw, path, rows))
    return path


def _draw(path: Path, rows: int) -> None:
    draw = np.random.default_rng(1)
    codes = np.char.add("C", draw.integers(10**6, 10**7, rows).astype("U7"))
    columns = {
        "id": draw.permutation(rows),
        "x": draw.random(rows),
        "y": draw.random(rows) + 1,
        "state": np.array(_ACCEPTED)[draw.integers(0, 4, rows)],
        "station": np.array(_STATIONS)[draw.integers(0, 4, rows)],
        "code": codes,
        "label": codes,
    }
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)


def _ours(path: Path, times: int, *, unique: bool) -> tuple[Any, Any]:
    from lakehouse_cli.checks.judge import Judge
    from lakehouse_cli.checks.setting import Setting
    from lakehouse_cli.contracts import check as check_contract
    from lakehouse_cli.model import Column, Contract, Table, parse_column_type
    from lakehouse_cli.model.check import Check

    table = pq.read_table(path)
    types = {"id": "int64", "x": "float64", "y": "float64"}
    columns = [
        Column(name, parse_column_type(types.get(name, "string")), name not in "xy") for name in table.column_names
    ]

    checks: list[Check] = []

    def check(kind: str, name: str, **arguments: Any) -> Check:
        return Check(
            kind=kind, name=f"{name}_{kind}_{len(checks)}", columns=(name,) if name else (), arguments=arguments
        )

    for each in range(times):  # no two of them alike
        checks += [
            check("min", "x", bound=str(-each)),
            check("max", "y", bound=str(2 + each)),
            check("in", "state", values=[*_ACCEPTED, *"abc"[:each]]),
            check("in", "station", values=[*_STATIONS, *"abc"[:each]]),
            check("matches", "code", pattern=("C[0-9]{7}", "[A-Z][0-9]{7}", "C[0-9]+")[each]),
            check("length", "label", min=1, max=8 + each),
            check("expression", "", text=f"y >= x - {each}"),
        ]
    checks += [check("unique", "id")] * unique
    declared = Table(name="t", contract=Contract(tuple(columns), checks=tuple(checks)))

    def validate() -> None:
        assert not check_contract(table, columns).violations
        with closing(Judge(declared, checks, Setting(Path(), datetime.now(UTC), None))) as judge:  # type: ignore[arg-type]
            judge.piece(table)
            judge.finish()

    return table, validate


def _pandera(path: Path, times: int, *, unique: bool, polars: bool) -> tuple[Any, Any]:
    if polars:
        import pandera.polars as pa_
        import polars as pl

        frame: Any = pl.read_parquet(path)
        row_check = pa_.Check(lambda data: data.lazyframe.select(pl.col("y") >= pl.col("x")))
        kinds: dict[str, Any] = {"int": pl.Int64, "float": pl.Float64, "text": pl.String}
    else:
        import pandas as pd
        import pandera.pandas as pa_

        frame = pd.read_parquet(path)
        row_check = pa_.Check(lambda data: data["y"] >= data["x"])
        kinds = {"int": "int64", "float": "float64", "text": None}
    check, column = pa_.Check, pa_.Column
    schema = pa_.DataFrameSchema(
        {
            "id": column(kinds["int"], unique=unique),
            "x": column(kinds["float"], [check.ge(0)] * times, nullable=False),
            "y": column(kinds["float"], [check.le(2)] * times, nullable=False),
            "state": column(kinds["text"], [check.isin(_ACCEPTED)] * times, nullable=True),
            "station": column(kinds["text"], [check.isin(_STATIONS)] * times, nullable=True),
            "code": column(kinds["text"], [check.str_matches("^C[0-9]{7}$")] * times, nullable=True),
            "label": column(kinds["text"], [check.str_length(1, 8)] * times, nullable=True),
        },
        checks=[row_check] * times,
    )
    return frame, lambda: schema.validate(frame)


def _one(who: str, path: Path, times: int, *, unique: bool) -> None:
    """Validate once, and print seconds on the clock, of the processor, and megabytes beyond the frame."""
    made = (
        _ours(path, times, unique=unique)
        if who == "ours"
        else _pandera(path, times, unique=unique, polars=who == "polars")
    )
    _, validate = made
    held = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    validate()
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{wall:.3f} {cpu:.3f} {_resident('VmHWM') - held:.0f}")


def _resident(name: str) -> float:
    """Megabytes of this process, by a line of its status in /proc."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def validation(who: str, rows: int, times: int = 1, *, unique: bool = True, rounds: int = 3) -> Validation:
    """Medians of one validation.

    Args:
        who: ``ours``, or Pandera's backend: ``pandas``, ``polars``.
        rows: How many.
        times: How often each check but `unique` is there.
        unique: Whether that is there.
        rounds: How often it is measured.
    """
    command = [sys.executable, "-m", "benchmarks.checks", str(rows), who, str(times), "unique" if unique else "-"]
    _data(rows)
    found = []
    for _ in range(rounds):
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(tuple(map(float, ran.stdout.split("\n")[0].split())))
    return Validation(*(median(each) for each in zip(*found, strict=True)))


def beside_pandera(rows: int, rounds: int) -> list[str]:
    """The lines on validations: ours beside Pandera's, where that is installed, and thirty checks beside ten."""
    what = f"ten checks, {rows:,} rows"
    ten = validation("ours", rows, rounds=rounds)
    lines = []
    if all(importlib.util.find_spec(name) is not None for name in ("pandera", "polars")):
        nine = validation("ours", rows, unique=False, rounds=rounds)
        for backend, most, most_of_nine in (("pandas", 0.8, 0.3), ("polars", 1.3, inf)):
            theirs = validation(backend, rows, rounds=rounds)
            lines += _beside(what, f"Pandera, {backend}", ten, theirs, most)
            theirs = validation(backend, rows, unique=False, rounds=rounds)
            lines += _beside(f"{what}, without `unique`", f"Pandera, {backend}", nine, theirs, most_of_nine)
    else:
        lines = [
            _printed("| Pandera is not installed: `pip install 'pandera[pandas,polars]'` | – | – | – | – | – | – |")
        ]
    thirty = validation("ours", rows, 3, rounds=rounds)
    return [*lines, *_beside(f"thirty checks, {rows:,} rows", "ten", thirty, ten, 2)]


def _beside(what: str, yardstick: str, ours: Validation, theirs: Validation, most: float) -> Iterator[str]:
    """Two lines: by the clock, of which something is promised, and by the processor."""
    for quantity, mine, other, promised in (
        ("wall", ours.wall, theirs.wall, most),
        ("CPU", ours.cpu, theirs.cpu, inf),
    ):
        limit = "–" if promised == inf else f"≤ {promised:.2f}{'' if mine / other <= promised else ' **missed**'}"
        shown = f"{mine:.2f} s | {other:.2f} s | {mine / other:.2f}"
        yield _printed(f"| {what} | {yardstick} | {quantity} | {shown} | {limit} |")


def _printed(line: str) -> str:
    print(line, flush=True)
    return line


def _draw_texts(path: Path, rows: int) -> None:
    draw = np.random.default_rng(1)
    table = pa.table(
        {
            "id": pa.array(draw.permutation(rows)),
            "text": pa.array(np.char.mod("%032d", draw.permutation(rows))),
            "value": pa.array(draw.random(rows)),
        }
    )
    pq.write_table(table, path, row_group_size=1 << 17)


def memory_of_unique(rows: int) -> str:
    """The line on the peak of a run that streams from Parquet to Parquet: without `unique`, and with three of them."""
    folder = DATA / "unique"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    source = folder / f"data/s{rows}.parquet"
    if not source.exists():
        apart(partial(_draw_texts, source, rows))
    (folder / "transforms.py").write_text(_STREAM)
    peaks = []
    for checks in ("[]", "[{unique: [id]}, {unique: [text]}, {unique: [id, text]}]"):
        (folder / "lakehouse.yaml").write_text(_UNIQUE_YAML.format(rows=rows, checks=checks))
        peaks.append(median(measure(["lakehouse", "run", "--force"], folder).peak_mb for _ in range(3)))
    without, of_all = peaks
    verdict = "" if of_all - without <= 200 else " **missed**"
    shown = f"{of_all:.0f} MiB | {without:.0f} MiB | {of_all - without:+.0f} MiB | ≤ +200 MiB{verdict}"
    return _printed(f"| three `unique`, {rows:,} rows streamed | without them | peak memory | {shown} |")


def checked_tables() -> Path:
    """1,000 tables with three checks each, up to date."""
    folder = DATA / "checked"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    columns = "{id: {type: int64, min: 0, unique: true}, name: {type: string, length: {max: 9}}}"
    names = [f"t{number:03}" for number in range(1_000)]
    lines = [
        "name: checked",
        "module: transforms",
        "tables:",
        "  s: {kind: source, columns: {id: int64, name: string}}",
    ]
    lines += [f"  {name}: {{inputs: [s], columns: {columns}}}" for name in names]
    (folder / "lakehouse.yaml").write_text("\n".join(lines) + "\n")
    code = [f"def {name}(s: pd.DataFrame) -> pd.DataFrame:\n    return s\n" for name in names]
    (folder / "transforms.py").write_text("import pandas as pd\n\n" + "\n".join(code))
    (folder / "data/s.csv").write_text("id,name\n1,a\n2,b\n")
    measure(["lakehouse", "run"], folder)
    return folder


def tested_transforms() -> Path:
    """100 tests of transforms of five rows each."""
    folder = DATA / "tested"
    folder.mkdir(parents=True, exist_ok=True)
    given = ", ".join(f"{{k: {row % 2}, v: {row}.5}}" for row in range(5))
    lines = ["name: tested", "module: transforms", "tables:", "  s: {kind: source, columns: {k: int64, v: float64}}"]
    for number in range(100):
        lines += [
            f"  t{number}:",
            "    inputs: [s]",
            "    columns: {k: int64, v: float64}",
            f"    tests: [{{name: largest, given: {{s: [{given}]}}, expect: [{{k: 0, v: 4.5}}, {{k: 1, v: 3.5}}]}}]",
        ]
    (folder / "lakehouse.yaml").write_text("\n".join(lines) + "\n")
    grouped = "s.groupby('k', as_index=False).v.max()"
    code = [f"def t{number}(s: pd.DataFrame) -> pd.DataFrame:\n    return {grouped}\n" for number in range(100)]
    (folder / "transforms.py").write_text("import pandas as pd\n\n" + "\n".join(code))
    return folder


if __name__ == "__main__":
    _, size, validator, often, with_unique = sys.argv
    _one(validator, _data(int(size)), int(often), unique=with_unique == "unique")
