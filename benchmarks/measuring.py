"""Whole processes, or what they do once warm, timed in pairs with their yardstick: the one, the other, and again."""

from __future__ import annotations

import itertools
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass(frozen=True)
class Measured:
    """One process from start to end: wall and CPU seconds, peak resident memory in MB.

    Attributes:
        own: CPU seconds of the process itself, without those that it began.
    """

    wall: float
    cpu: float
    peak_mb: float
    own: float


@dataclass(frozen=True)
class Paired:
    """A command and its yardstick over the same rounds.

    Attributes:
        what: What is measured.
        yardstick: What it is measured against.
        ours: One measurement a round.
        theirs: The yardstick's, of the same rounds.
    """

    what: str
    yardstick: str
    ours: tuple[Measured, ...]
    theirs: tuple[Measured, ...]

    def medians(self, of: Callable[[Measured], float]) -> tuple[float, float]:
        """Medians of one quantity: ours, the yardstick's."""
        return statistics.median(map(of, self.ours)), statistics.median(map(of, self.theirs))

    def ratio(self, of: Callable[[Measured], float]) -> float:
        """Median over the rounds of ours / the yardstick's."""
        return statistics.median(of(a) / of(b) for a, b in zip(self.ours, self.theirs, strict=True))


def measure(command: Sequence[str], folder: Path) -> Measured:
    """Run a command once and measure it; its output is dropped, its failure is raised."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - begun
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, own)


_WARM = """
import resource, statistics, sys, time
from importlib import import_module

compute = import_module(sys.argv[1]).compute
compute()
taken = []
for _ in range(5):
    begun = time.perf_counter(), time.process_time()
    compute()
    taken.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
print(*map(statistics.median, zip(*taken)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure_warm(module: Sequence[str], folder: Path) -> Measured:
    """Call `compute` of a module in that folder, in a process that has called it before: medians of five calls."""
    command = [sys.executable, "-c", _WARM, *module]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    seconds, of_cores, peak_mb = map(float, done.stdout.split())
    return Measured(seconds, of_cores, peak_mb, of_cores)


def apart(make: Callable[[], object]) -> None:
    """Call something in a process of its own: a peak is at least what the process that begins another one has taken."""
    process = get_context("fork").Process(target=make)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"{make} ended with {process.exitcode}")


def paired(
    what: str,
    command: Sequence[str],
    yardstick: str,
    other: Sequence[str],
    folder: Path,
    rounds: int,
    *,
    made: Sequence[str] = (),
    measured_by: Callable[[Sequence[str], Path], Measured] = measure,
) -> Paired:
    """Measure a command and its yardstick in turn, after one round that does not count.

    Args:
        what: What is measured.
        command: It.
        yardstick: What it is measured against.
        other: That.
        folder: Where both run.
        rounds: How often each is measured.
        made: What in that folder goes before every single measurement, so that each makes it as if for the first time.
        measured_by: `measure`, or `measure_warm`.
    """
    # Removed at the end only: for half a minute ext4 passes over freed inodes one by one as it makes files, which took
    # a third of the time of a run after the removal of what the one before had made.
    with TemporaryDirectory(dir=folder.parent) as aside:
        places = (Path(aside, str(number)) for number in itertools.count())

        def measured(which: Sequence[str]) -> Measured:
            for name in made:
                if (folder / name).exists():
                    (folder / name).rename(next(places))
            return measured_by(which, folder)

        measured(command)
        measured(other)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(measured(command))
            theirs.append(measured(other))
        return Paired(what, yardstick, tuple(ours), tuple(theirs))


def machine() -> str:
    """A line on what this was measured on."""
    import platform

    import pandas
    import pyarrow

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    assert limit == resource.RLIM_INFINITY, "memory is limited; the figures would not compare"
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}, "
        f"pandas {pandas.__version__}, pyarrow {pyarrow.__version__}"
    )
