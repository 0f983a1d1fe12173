"""Measure `init --from-data`, and hold it against real files.

`python -m benchmarks.inference [ROWS]` writes a CSV file of so many rows (10 million, 400 MB) and infers its types by
lakehouse, polars and DuckDB, each from all rows and in a process of its own. `python -m benchmarks.inference FILE…`
reads each CSV file by the contract that is written for it, and by Python's `csv`, and prints the values that differ.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.inference.project import infer_project
from tests.cli.independent_reading import load, misread, read_by_lakehouse, rows_of, text_of

_RIVALS = {
    "lakehouse": "from lakehouse_cli.cli.main import invoke; invoke(['init', '--from-data', {0!r}, '--dry-run', '-q'])",
    "polars": "import polars; polars.scan_csv({0!r}, infer_schema_length=None).collect_schema()",
    "duckdb": "import duckdb; q = 'FROM sniff_csv(?, sample_size=-1)'; duckdb.sql(q, params=[{0!r}]).fetchall()",
}
_MEASURED = """
import resource, time
began = time.perf_counter()
{0}
used = resource.getrusage(resource.RUSAGE_SELF)
wall, cpu = time.perf_counter() - began, used.ru_utime + used.ru_stime
import sys
print(f"{{wall:.2f}} s, {{cpu:.2f}} s of processor time, {{used.ru_maxrss >> 10}} MiB", file=sys.stderr)
"""


def write(file: str, rows: int) -> None:
    """Write a CSV file of six columns."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(1)
    pl.DataFrame(
        {
            "id": np.arange(rows),
            "code": np.char.add("C", random.integers(0, 10**5, rows).astype("U6")),
            "price": random.integers(0, 10**6, rows) / 100,
            "day": np.datetime64("2020-01-01") + random.integers(0, 2_000, rows),
            "quantity": random.integers(0, 1_000, rows),
            "country": random.choice(["CH", "DE", "NA", "US"], rows),
        }
    ).write_csv(file)


def run(code: str) -> list[str]:
    """Run code in a process of its own, whose memory starts from nothing; returns what it says on stderr."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stderr.splitlines()


def measure(rows: int) -> None:
    """Print how long each takes for a file of so many rows."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "measured.csv")
        run(f"from benchmarks.inference import write; write({file!r}, {rows})")
        print(f"{rows:,} rows, {Path(file).stat().st_size / 1e6:.0f} MB")
        for name, code in _RIVALS.items():
            print(f"{name}: {run(_MEASURED.format(code.format(file)))[-1]}")


def compare(files: list[str]) -> int:
    """Print what is read otherwise than by Python's `csv`; returns how many files have such values."""
    wrong = 0
    for each in files:
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = infer_project("compared", Path(folder), [each], lambda *_: None)
            except LakehouseError as error:
                print(f"{each}: refused: {'; '.join(p.message for p in getattr(error, 'problems', ()))}")
                continue
            (Path(folder) / "lakehouse.yaml").write_text(made.project_file, "utf-8")
            (Path(folder) / "transforms.py").write_text("")
            spec = load(Path(folder))
            (table,) = spec.tables.values()
            options, columns = table.options, table.columns or ()
            delimiter = str(options.get("delimiter", ","))
            if delimiter == "whitespace" or "comment" in options:
                print(f"{each}: not compared: {dict(options)}")
                continue
            text = text_of(Path(each), str(options.get("encoding", "utf-8-sig")))
            rows = rows_of(text, delimiter=delimiter, skipinitialspace=bool(options.get("trim")))
            rows = rows[options.get("skip_rows", 0) :]
            header = rows.pop(0) if options.get("header", True) else None
            places = [column.from_ if column.from_ is not None else column.name for column in columns]
            at = [p - 1 if isinstance(p, int) else (header or []).index(p) for p in places] if header else []
            found = list(misread(read_by_lakehouse(spec, table), columns, rows, at or range(len(columns))))
            wrong += bool(found)
            for line in found:
                print(f"{each}: {line}")
    return wrong


if __name__ == "__main__":
    arguments = sys.argv[1:]
    began = time.perf_counter()
    if not arguments or arguments[0].isdigit():
        measure(int(arguments[0]) if arguments else 10_000_000)
    else:
        differing = compare(arguments)
        print(f"{len(arguments)} files, {differing} with differences, {time.perf_counter() - began:.0f} s")
        sys.exit(bool(differing))
