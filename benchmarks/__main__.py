"""Measure what the README promises, print it, and keep it in docs/performance.md.

Run as `make bench`, with bytecode compiled: the first round of each pair, which does not count, sees to that for this
project, `compileall` for what it depends on.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import checks, clusters, partitions, projects
from benchmarks.measuring import Measured, Paired, machine, measure_warm, paired

DATA = projects.DATA
REPORT = Path(__file__).parent.parent / "docs" / "performance.md"
_INTRO = """# Performance

Written by `make bench`: whole processes, but where a row says otherwise, each measured in turn with its yardstick,
medians over the rounds, ratios as medians over the pairs. Nothing here is a test; what the fast commands load is one
(`tests/cli/test_what_is_loaded.py`).

Measured on {machine}.

| what | yardstick | quantity | ours | yardstick | ratio | promised |
|---|---|---|---:|---:|---:|---:|
"""


def wall(measured: Measured) -> float:
    """Seconds on the clock."""
    return measured.wall


def cpu(measured: Measured) -> float:
    """Seconds of processor time, user and system."""
    return measured.cpu


def side_by_side(measured: Measured) -> float:
    """Seconds of processor time of the process, and its share of what those that it began took on all cores.

    What it takes on the clock where nothing else runs, and processes have as much to do each; no load changes it.
    """
    return measured.own + (measured.cpu - measured.own) / len(os.sched_getaffinity(0))


def peak(measured: Measured) -> float:
    """Peak resident memory in MB."""
    return measured.peak_mb


def row(pair: Paired, quantity: str, of: Callable[[Measured], float], promised: float) -> str:
    """One line of the report."""
    ours, theirs = pair.medians(of)
    unit = "MB" if of is peak else "s"
    digits = 0 if of is peak else 3 if max(ours, theirs) < 2 else 1
    ratio = pair.ratio(of)
    verdict = "" if ratio <= promised else " **missed**"
    shown = f"{ours:.{digits}f} {unit} | {theirs:.{digits}f} {unit} | {ratio:.2f}"
    limit = f"≤ {promised:.2f}{verdict}" if promised < inf else "–"
    line = f"| {pair.what} | {pair.yardstick} | {quantity} | {shown} | {limit} |"
    print(line, flush=True)
    return line


def difference(pair: Paired, promised: float) -> str:
    """One line of the report: seconds on the clock beyond the yardstick's."""
    ours, theirs = pair.medians(wall)
    beyond = median(a.wall - b.wall for a, b in zip(pair.ours, pair.theirs, strict=True))
    verdict = "" if beyond <= promised else " **missed**"
    line = f"| {pair.what} | {pair.yardstick} | wall | {ours:.3f} s | {theirs:.3f} s | {beyond:+.2f} s |"
    line = f"{line} ≤ +{promised:.2f} s{verdict} |"
    print(line, flush=True)
    return line


def limit(pair: Paired, of: Callable[[Measured], float], promised: float) -> str:
    """One line of the report: seconds of ours, whatever the yardstick's."""
    ours, theirs = pair.medians(of)
    verdict = "" if ours <= promised else " **missed**"
    shown = f"≤ {promised:g} s{verdict}" if promised < inf else "–"
    digits = 3 if ours < 1 else 1
    measured = f"{ours:.{digits}f} s | {theirs:.{digits}f} s"
    line = f"| {pair.what} | {pair.yardstick} | {of.__name__} | {measured} | – | {shown} |"
    print(line, flush=True)
    return line


def fast_commands(rounds: int) -> list[str]:
    """What must be instant."""
    folder = projects.thousand_tables()
    python = sys.executable
    imports = [python, "-c", "import typer, rich, yaml"]
    pandas = [python, "-c", "import pandas"]
    lines = []
    for option in ("--help", "--version"):
        pair = paired(
            f"`lakehouse {option}`", ["lakehouse", option], "`import typer, rich, yaml`", imports, folder, rounds
        )
        lines.append(row(pair, "wall", wall, 1.5))
    for command in ("validate", "ls", "plan"):
        what = f"`lakehouse {command}`, 1,000 tables{' whose code no run has read yet' if command == 'plan' else ''}"
        pair = paired(what, ["lakehouse", command], "`import pandas`", pandas, folder, rounds)
        lines.append(row(pair, "wall", wall, 1.0))
    typer = [python, "-c", "import typer, msgspec"]
    for completed, *words in (
        ("a table", "run", "t0_"),
        ("a column", "sql", "from t0_000 select v"),
        ("an option", "run", "--"),
    ):
        asked = {"COMP_WORDS": "\n".join(("lakehouse", *words)), "COMP_CWORD": str(len(words))}
        variables = [f"{name}={value}" for name, value in {**asked, "_LAKEHOUSE_COMPLETE": "complete_bash"}.items()]
        shell = ["env", *variables, "lakehouse"]
        pair = paired(
            f"a shell completes {completed}, of 1,000 tables", shell, "`import typer, msgspec`", typer, folder, rounds
        )
        lines.append(limit(pair, cpu, 0.1))
    plan = ["lakehouse", "-m", "declared", "plan"]
    other = ["sh", "-c", f"lakehouse plan && {shlex.quote(python)} -c 'import declared'"]
    what, yardstick = "`lakehouse plan`, 1,000 tables declared in Python", "in YAML, and the import of the module"
    return [*lines, row(paired(what, plan, yardstick, other, folder, rounds), "CPU", cpu, 1.3)]


def thousand_tables(rounds: int) -> list[str]:
    """The overhead of a run."""
    folder = projects.thousand_tables()
    loop = [sys.executable, "loop.py"]
    made = ("data", "out", ".lakehouse")
    what = "`lakehouse run`, 1,000 trivial tables, nothing stored"
    pair = paired(what, ["lakehouse", "run"], "plain pandas loop", loop, folder, rounds, made=made)
    lines = [row(pair, "CPU", cpu, 2.0), row(pair, "wall", wall, inf)]
    run = ["lakehouse", "run", "--force"]
    pair = paired("`lakehouse run --force`, 1,000 trivial tables", run, "plain pandas loop", loop, folder, rounds)
    lines += [row(pair, "CPU", cpu, 2.0)]
    pandas = [sys.executable, "-c", "import pandas"]
    for command in ("run", "plan"):
        what = f"`lakehouse {command}`, 1,000 tables up to date"
        pair = paired(what, ["lakehouse", command], "`import pandas`", pandas, folder, 3 * rounds)
        lines.append(row(pair, "wall", wall, 1.0))
    return lines


def four_transforms(rounds: int) -> list[str]:
    """Python code side by side."""
    folder = projects.four_transforms()
    processes = ["lakehouse", "run", "--force", "--executor", "processes"]
    serial = ["lakehouse", "run", "--force", "--executor", "serial"]
    pair = paired("four transforms of 1 s, `processes`", processes, "`serial`", serial, folder, rounds)
    lines = [row(pair, "wall", wall, 0.57), row(pair, "CPU, side by side", side_by_side, 0.57)]
    rows = int(os.environ.get("ROWS", projects.ROWS))
    folder = projects.chain_of_four(rows)
    threads = ["lakehouse", "run", "--force", "--executor", "threads"]
    pair = paired(f"a chain of four over {rows:,} rows of CSV, `processes`", processes, "`threads`", threads, folder, 3)
    lines += [row(pair, "wall", wall, 1.2), row(pair, "CPU", cpu, 1.2), row(pair, "peak memory", peak, inf)]
    return lines


def large_file(rounds: int) -> list[str]:
    """10^7 rows read, cleaned and written in full, with the daily maximum beside it."""
    folder = projects.weather()
    plain = [sys.executable, "plain.py"]
    lines = []
    for options, label in ((), ""), (("--workers", "1"), ", one table after the other"):
        run = ["lakehouse", "run", "--force", *options]
        what = f"10^7 rows (0.5 GB) in and out by pandas{label}"
        pair = paired(what, run, "`read_csv`/`to_csv`", plain, folder, rounds)
        lines += [row(pair, "wall", wall, 0.18), row(pair, "CPU", cpu, inf), row(pair, "peak memory", peak, 0.8)]
    return lines


def streamed(rounds: int) -> list[str]:
    """The same file filtered piece by piece, contract and key included, and a daily maximum beside it."""
    rows = int(os.environ.get("ROWS", projects.ROWS))
    folder = projects.streamed(rows)
    polars = [sys.executable, "streamed.py"]
    lines = []
    for table, what in (("batches", "record batches"), ("lazy", "`polars.LazyFrame`")):
        run = ["lakehouse", "run", "--force", table, "hottest"]
        label = f"{rows:,} rows filtered by {what}, CSV to CSV, and a daily maximum"
        pair = paired(label, run, "polars' `scan_csv`/`sink_csv`", polars, folder, rounds)
        lines += [
            row(pair, "wall", wall, 1.25),
            row(pair, "CPU", cpu, inf),
            row(pair, "peak memory", peak, 1.25),
        ]
    return lines


def queries(rounds: int) -> list[str]:
    """SQL tables: an aggregate over 10^7 rows, and plans of 1,000."""
    rows = int(os.environ.get("ROWS", projects.ROWS))
    folder = projects.aggregate(rows)
    what = f"SQL: count and maximum by name and day over {rows:,} rows of Parquet"
    run, duck = ["lakehouse", "run", "--force"], [sys.executable, "duck.py"]
    whole = paired(f"{what}, whole processes", run, "DuckDB alone", duck, folder, rounds)
    lines = [row(whole, "wall", wall, 1.2), row(whole, "CPU", cpu, inf), row(whole, "peak memory", peak, inf)]
    within = f"{what}, a run in a process that made one before"
    twice = "DuckDB alone, likewise"
    warm = paired(within, ["warm"], twice, ["warm_duck"], folder, rounds, measured_by=measure_warm)
    lines += [row(warm, "wall", wall, 1.2), row(warm, "CPU", cpu, 1.2)]
    folder = projects.thousand_queries()
    what = "`lakehouse plan`, 1,000 SQL tables"
    python = ["lakehouse", "-C", str(projects.thousand_tables()), "plan"]
    made = (".lakehouse", "../thousand/.lakehouse")
    cold = paired(f"{what}, nothing kept", ["lakehouse", "plan"], "of Python", python, folder, rounds, made=made)
    lines.append(difference(cold, 1.0))
    pandas = [sys.executable, "-c", "import pandas"]
    warm = paired(
        f"{what} that were bound before", ["lakehouse", "plan"], "`import pandas`", pandas, folder, 3 * rounds
    )
    return [*lines, row(warm, "wall", wall, 1.0)]


def parquet_batches(rounds: int) -> list[str]:
    """Parquet passed on batch by batch, of row groups of 10^7 rows: the peak is to be 250 MiB at most."""
    rows = int(os.environ.get("ROWS", projects.ROWS))
    run, whole = ["lakehouse", "run", "--force"], [sys.executable, "plain.py"]
    label = f"{rows:,} rows of Parquet passed on by record batches"
    pair = paired(label, run, "Arrow, as a whole", whole, projects.parquet_batches(rows), rounds)
    return [row(pair, "wall", wall, inf), row(pair, "peak memory", peak, inf)]


def many_files(rounds: int) -> list[str]:
    """A thousand files as one source beside one file of the same rows, and plans of a hundred thousand."""
    many, one = projects.daily()
    run = ["lakehouse", "run", "--force"]
    label = "1,000 files of 10^4 rows of CSV, counted by record batches"
    theirs = ["lakehouse", "-C", str(one), "run", "--force"]
    pair = paired(label, run, "one file of the same rows", theirs, many, rounds)
    lines = [row(pair, "wall", wall, 1.1), row(pair, "CPU", cpu, inf), row(pair, "peak memory", peak, inf)]
    pandas = [sys.executable, "-c", "import pandas"]
    pair = paired(
        "`lakehouse plan`, 10^5 files", ["lakehouse", "plan"], "`import pandas`", pandas, projects.tiny(), rounds
    )
    return [*lines, limit(pair, wall, 3.0), limit(pair, cpu, inf)]


_PARTITIONS = """## Partitions

Written by `make bench`, or `python -m benchmarks partitions`, on {machine}.
A table by day is made of 1,000 files of 10^4 rows of three columns of CSV, and gets one more. What a replaced Delta
partition takes is a run of 100, of 10^4 rows of two columns each, beyond a run of one, without the time in which Arrow
writes the same files. One new file takes two processes; below it stands what these take that do nothing but start, and
import what the transform needs, and what `Project.plan` and `Project.run` take of a full run by `Project.run` where one
process has made such runs before.

| what | quantity | ours | yardstick | ratio | promised |
|---|---|---:|---:|---:|---:|
"""


def by_partition(rounds: int) -> list[str]:
    """A new file of a table by day, the plan of very many partitions, and Delta partitions that are replaced."""
    lines = []

    def add(what: str, quantity: str, found: float, promised: float, shown: str, unit: str = "") -> None:
        verdict = "" if found <= promised else " **missed**"
        lines.append(f"| {what} | {quantity} | {shown} | {f'≤ {promised:g}{unit}{verdict}' if promised else '–'} |")
        print(lines[-1], flush=True)

    for frame in ("pandas", "pyarrow"):
        pair = partitions.one_new_file(rounds, frame=frame)
        least = partitions.two_starts(3 * rounds, frame=frame)
        warm = partitions.in_one_process(rounds, frame=frame)
        for quantity, of in (("CPU", cpu), ("wall", wall)):
            ours, theirs = pair.medians(of)
            ratio = pair.ratio(of)
            add(pair.what, quantity, ratio, 0.02, f"{ours:.2f} s | {theirs:.1f} s | {ratio:.3f}")
            floor = of(least)
            shown = f"{floor:.2f} s | {theirs:.1f} s | {floor / theirs:.3f}"
            add(f"of that two starts of Python, one with `import {frame}`", quantity, 0, 0, shown)
            ours, theirs = warm.medians(of)
            ratio = warm.ratio(of)
            add(warm.what, quantity, ratio, 0.02, f"{ours:.3f} s | {theirs:.1f} s | {ratio:.3f}")
    found = partitions.up_to_date(3 * rounds)
    plan = "`lakehouse plan`, 10^5 partitions up to date"
    add(plan, "CPU", found.cpu, 2, f"{found.cpu:.2f} s | – | –", " s")
    add(plan, "wall", found.wall, 2, f"{found.wall:.2f} s | – | –", " s")
    add(plan, "peak memory", found.peak_mb, 300, f"{found.peak_mb:.0f} MB | – | –", " MB")
    for quantity, each in zip(("CPU", "wall"), partitions.replaced(rounds), strict=True):
        add("a Delta partition replaced, of 100, beyond its data", quantity, each, 5, f"{each:.1f} ms | – | –", " ms")
    return lines


def on_clusters(rounds: int) -> list[str]:
    """Trivial tables on the workers of clusters, beside the engines alone; and runs on many simulated ones."""
    lines = []
    engines = ("dask", "ray") if clusters.can_run_ray() else ("dask",)
    for engine in engines:
        many, one = clusters.beside_futures(rounds, engine)
        lines += [row(many, "CPU", cpu, 1.5), row(many, "wall", wall, inf), difference(one, 0.5)]
    if "ray" not in engines:
        lines.append(
            "| on Ray: only by root, and where the loopback is all the network (`unshare -n`) | – | – | – | – | – | – |"
        )
    size = clusters.job_size()
    verdict = "" if size <= 4096 else " **missed**"
    lines.append(f"| the largest job of these, as it travels | – | bytes | {size:,} | – | – | ≤ 4,096{verdict} |")
    print(lines[-1], flush=True)
    for tables, workers, seconds, *how in _SIMULATED:
        lines += simulated(clusters.simulation(tables, workers, seconds, *how), *how)
    return lines


#: Tables, workers, and seconds that a table takes.
_SIMULATED = [(10_000, 2, 0.003, "partitions"), (10_000, 1_000, 1, "partitions"), (100_000, 1_000, 1)]


def simulated(found: Mapping[str, Any], units: str = "tables") -> list[str]:
    """What the machine of a run takes, of workers that compute nothing."""
    what = f"{found['tables']:,} {units} of {found['seconds']:g} s on {found['workers']:,} simulated workers"
    each, most, is_many = found["ms_per_table"], found["peak_mib"], found["tables"] > 10_000
    verdicts = ("" if each <= 3 else " **missed**", "" if most <= 300 else " **missed**")
    lines = [
        f"| {what} | – | CPU of the runner, each | {each:.2f} ms | – | – | ≤ 3 ms{verdicts[0]} |",
        f"| {what} | – | its peak memory | {most:,} MiB | – | – | {'–' if is_many else f'≤ 300 MiB{verdicts[1]}'} |",
    ]
    print("\n".join(lines), flush=True)
    return lines


_CHECKS = """## Checks

Written by `make bench`, or `python -m benchmarks checks`, on {machine}.
Ten checks are two not null, two ranges, two accepted values, a pattern, a length, `unique` on shuffled keys, and an
expression, on rows in memory, each validation a process of its own; Pandera's pandas backend has one thread. The memory
of `unique` is that of a run which streams rows from Parquet to Parquet (an int64, a text of 32 characters, a float).

| what | yardstick | quantity | ours | yardstick | ratio | promised |
|---|---|---|---:|---:|---:|---:|
"""


def of_checks(rounds: int) -> list[str]:
    """What checks take beside Pandera, thirty beside ten, the memory of `unique`, runs with nothing due, tests."""
    rows = int(os.environ.get("ROWS", projects.ROWS))
    lines = [*checks.beside_pandera(rows, rounds), checks.memory_of_unique(rows)]
    imports = [[sys.executable, "-c", f"import {names}"] for names in ("pandas", "pandas, pyarrow")]
    what = "`lakehouse run`, 1,000 tables with three checks each, up to date"
    folder = checks.checked_tables()
    pair = paired(what, ["lakehouse", "run"], "`import pandas`", imports[0], folder, 3 * rounds)
    lines += [row(pair, "wall", wall, 1.0), row(pair, "CPU", cpu, 1.0)]
    what, folder = "`lakehouse test`, 100 tests of small transforms", checks.tested_transforms()
    pair = paired(what, ["lakehouse", "test"], "`import pandas, pyarrow`", imports[1], folder, rounds)
    return [*lines, difference(pair, 1.0)]


_CLUSTERS = """## Clusters

Written by `make bench`, or `python -m benchmarks clusters`, on {machine}. A cluster is a scheduler, or a head,
and two workers on the loopback; CPU is that of all processes. Simulated workers answer after times that are drawn, and
compute nothing: what is measured is the machine of the run, from the project file to the last result.

| what | yardstick | quantity | ours | yardstick | ratio | promised |
|---|---|---|---:|---:|---:|---:|
"""

_STORED = ("data", ".lakehouse")
_BESIDE = """
## Beside the version before

The same commands by both versions in turn, each on a copy of the project (`python -m benchmarks --against FOLDER`, the
folder of the other version's `lakehouse`).

| what | quantity | this version | the one before | ratio |
|---|---|---:|---:|---:|
"""


def beside(before: Path, rounds: int) -> list[str]:
    """What this version costs more, or less, than another that is installed in the folder `before`."""
    cases: list[tuple[str, Callable[[], Path], tuple[str, ...], tuple[str, ...], int]] = [
        ("`plan`, 1,000 tables, nothing stored", projects.thousand_tables, ("plan",), _STORED, 3 * rounds),
        ("`run`, 1,000 tables up to date", projects.thousand_tables, ("run",), (), 3 * rounds),
        ("`run`, 1,000 tables, nothing stored", projects.thousand_tables, ("run",), _STORED, rounds),
        ("`run`, 10^7 rows of CSV without quotes", projects.weather, ("run", "--force"), (), rounds),
        ("`run`, 2 × 10^6 rows of CSV, two of four columns in quotes", projects.quoted, ("run", "--force"), (), rounds),
        ("`run`, 10^7 rows of Parquet", projects.parquet, ("run", "--force"), (), rounds),
    ]
    lines = []
    for what, make, command, made, times in cases:
        folder = make()
        other = folder.with_name(f"{folder.name}-before")
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(folder, other, copy_function=_link)
        pair = paired(
            what,
            ["lakehouse", "-C", str(folder), *command],
            "before",
            [str(before / "lakehouse"), "-C", str(other), *command],
            DATA,
            times,
            made=[f"{each.name}/{name}" for each in (folder, other) for name in made],
        )
        quantities = [("CPU", cpu), ("wall", wall)] + ([("peak memory", peak)] if "10^" in what else [])
        for quantity, of in quantities:
            ours, theirs = pair.medians(of)
            unit, digits = ("MB", 0) if of is peak else ("s", 3 if max(ours, theirs) < 2 else 1)
            shown = f"{ours:.{digits}f} {unit} | {theirs:.{digits}f} {unit} | {pair.ratio(of):.2f}"
            lines.append(f"| {what} | {quantity} | {shown} |")
            print(lines[-1], flush=True)
        shutil.rmtree(other)
    return lines


def _link(source: str, target: str) -> None:
    """Copy a file, or link it where it is large: sources are only read."""
    large = Path(source).stat().st_size > 2**20
    Path(target).hardlink_to(source) if large else shutil.copy2(source, target)


def _write(heading: str, text: str) -> None:
    """Put a part of the report in the place of the one that has its heading, or at the end."""
    report = REPORT.read_text(encoding="utf-8")
    pattern = re.compile(rf"^{re.escape(heading)}$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    report = pattern.sub(lambda _: text, report) if pattern.search(report) else f"{report.rstrip()}\n\n{text}"
    REPORT.write_text(report.rstrip() + "\n", encoding="utf-8")


def main() -> None:
    """Measure everything, or the parts named."""
    parts = {
        "fast": (fast_commands, 15),
        "thousand": (thousand_tables, 5),
        "four": (four_transforms, 5),
        "large": (large_file, 3),
        "streamed": (streamed, 3),
        "queries": (queries, 5),
        "parquet": (parquet_batches, 3),
        "files": (many_files, 5),
        "clusters": (on_clusters, 3),
        "partitions": (by_partition, 3),
        "checks": (of_checks, 3),
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "part", nargs="*", choices=[*parts, []], help="only these, which leaves the report's table as it is"
    )
    parser.add_argument("--rounds", type=int, help="instead of each part's own number")
    parser.add_argument("--against", type=Path, help="measure beside another version: the folder of its `lakehouse`")
    arguments = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):
        compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2)
    if arguments.against:
        lines = beside(arguments.against, arguments.rounds or 3)
        _write("## Beside the version before", _BESIDE.lstrip() + "\n".join(lines) + "\n")
        return
    lines = []
    for name in arguments.part or parts:
        measured, rounds = parts[name]
        found = measured(arguments.rounds or rounds)
        if measured is by_partition:
            _write("## Partitions", _PARTITIONS.format(machine=machine()) + "\n".join(found) + "\n\n")
        elif measured is of_checks:
            _write("## Checks", _CHECKS.format(machine=machine()) + "\n".join(found) + "\n\n")
        elif measured is on_clusters:
            _write("## Clusters", _CLUSTERS.format(machine=machine()) + "\n".join(found) + "\n\n")
        else:
            lines += found
    if not arguments.part:
        _write("# Performance", _INTRO.format(machine=machine()) + "\n".join(lines) + "\n\n")
        shutil.rmtree(projects.DATA / "weather")


if __name__ == "__main__":
    main()
