"""Ten checks on ten million rows, against Pandera: `python -m benchmarks.checks [ROWS]`; needs pandera and polars.

Two not null, two ranges, two accepted values, a pattern, a length, unique on shuffled keys, an expression. Frames are
in memory before the clock starts; each validation is a process of its own, which says how long it took, and how much
memory it had beyond its frame, at most.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import gettempdir
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_ACCEPTED = ["open", "paid", "sent", "done"]
_STATIONS = ["SFO", "OAK", "SJC", "LAX"]
_ROUNDS = 3


def _data(rows: int) -> Path:
    """The data, made once."""
    path = Path(gettempdir()) / f"lakehouse-checks-{rows}.parquet"
    if path.exists():
        return path
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
    return path


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

    def check(kind: str, name: str, **arguments: Any) -> Check:
        return Check(kind=kind, name=f"{name}_{kind}", columns=(name,) if name else (), arguments=arguments)

    checks = [
        check("min", "x", bound="0"),
        check("max", "y", bound="2"),
        check("in", "state", values=_ACCEPTED),
        check("in", "station", values=_STATIONS),
        check("matches", "code", pattern="C[0-9]{7}"),
        check("length", "label", min=1, max=8),
        check("expression", "", text="y >= x"),
    ] * times
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


def _measured(who: str, rows: int, times: int, unique: str) -> tuple[float, ...]:
    command = [sys.executable, "-m", "benchmarks.checks", str(rows), who, str(times), unique]
    rounds = []
    for _ in range(_ROUNDS):
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        rounds.append(tuple(map(float, ran.stdout.split("\n")[0].split())))
    return tuple(median(each) for each in zip(*rounds, strict=True))


def main() -> None:
    """Measure, or validate once."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10**7
    path = _data(rows)
    if len(sys.argv) > 2:
        _one(sys.argv[2], path, int(sys.argv[3]), unique=sys.argv[4] == "unique")
        return
    print("| what | wall | CPU | MB beyond the frame |\n|---|---:|---:|---:|")
    for who, times, unique in (
        ("ours", 1, "unique"),
        ("polars", 1, "unique"),
        ("pandas", 1, "unique"),
        ("ours", 1, "-"),
        ("polars", 1, "-"),
        ("pandas", 1, "-"),
        ("ours", 3, "unique"),
    ):
        wall, cpu, peak = _measured(who, rows, times, unique)
        what = f"{who}, {10 * times} checks{'' if unique == 'unique' else ', without unique'}"
        print(f"| {what} | {wall:.2f} s | {cpu:.2f} s | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
