"""A run on many workers that compute nothing: the runner, its schedule and the executor of clusters are real.

`python -m benchmarks.simulation TABLES WORKERS SECONDS [partitions]` prints what the machine of the run takes, as JSON:
each worker answers after times that are drawn around so many seconds.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import resource
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import ClassVar

import msgspec

from benchmarks.projects import DATA
from lakehouse_cli import registry
from lakehouse_cli.cli.main import invoke
from lakehouse_cli.executors.clusters.engine import Engine, Slots
from lakehouse_cli.executors.clusters.executor import ClusterExecutor
from lakehouse_cli.executors.clusters.messages import Answer, Message, packed
from lakehouse_cli.executors.clusters.requirements import Requirements
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.runner.jobs import Outcome

# Seconds after which a worker says what it has done of several tables.
_SAY_S = 0.05
# Tables in one file of a project.
_IN_FILE = 20_000
_CODE = """
import pyarrow as pa


def one(source: pa.Table) -> pa.Table:
    return source
"""


class Simulated(Engine):
    """Workers that answer after drawn times.

    Attributes:
        count: How many there are.
        seconds: How long a table takes on average.
        answer: What each table comes out as, packed.
        spent: CPU seconds of the simulation itself.
        busy: Seconds in which workers had a table, all together.
        calls: How many messages with tables there were.
    """

    name = "simulated"
    count: ClassVar[int] = 0
    seconds: ClassVar[float] = 0.0
    answer: ClassVar[bytes] = b""
    spent: ClassVar[float] = 0.0
    busy: ClassVar[float] = 0.0
    calls: ClassVar[int] = 0

    def connect(self) -> None:
        """Start the thread that answers."""
        self._workers = {f"sim://{number}#0": Slots(1) for number in range(self.count)}
        self._due: list[tuple[float, int, str, bool, bytes]] = []
        self._changed = threading.Condition()
        self._numbers, self._random = count(), random.Random(1)
        self._decoder, self._encoder = msgspec.msgpack.Decoder(Message), msgspec.msgpack.Encoder()
        self._is_closed = False
        threading.Thread(target=self._serve, name="simulation", daemon=True).start()

    def workers(self) -> Mapping[str, Slots]:
        """They stay."""
        return self._workers

    def greet(self, worker: str, key: str, message: bytes, requirements: Requirements) -> None:
        """They have what is required."""
        del requirements
        self.call(worker, key, message, None)

    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float] | None) -> None:
        """Draw when it will be done."""
        del worker
        began, now = time.thread_time(), time.monotonic()
        if resources is None:
            self._at(now, key, True, {0: Answer("ready", seconds=time.time())})
        else:
            Simulated.calls += 1
            self._draw(key, len(self._decoder.decode(message).work), now)
        Simulated.spent += time.thread_time() - began

    def _draw(self, key: str, pieces: int, now: float) -> None:
        said: dict[int, Answer] = {}
        since = 0.0
        for number in range(pieces):
            seconds = self._random.expovariate(1 / self.seconds)
            Simulated.busy += seconds
            now, since = now + seconds, since + seconds
            said[number] = Answer("result", self.answer, seconds=seconds)
            if since > _SAY_S or number == pieces - 1:
                self._at(now, key, number == pieces - 1, said)
                said, since = {}, 0.0

    def _at(self, when: float, key: str, is_last: bool, answers: Mapping[int, Answer]) -> None:
        with self._changed:
            heapq.heappush(self._due, (when, next(self._numbers), key, is_last, self._encoder.encode(answers)))
            self._changed.notify()

    def _serve(self) -> None:
        while not self._is_closed:
            began = time.thread_time()
            with self._changed:
                wait = self._due[0][0] - time.monotonic() if self._due else 1.0
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                _, _, key, is_last, content = heapq.heappop(self._due)
            Simulated.spent += time.thread_time() - began
            if is_last:
                self.on_answer(key, content, None)
            else:
                self.on_said(key, "answers", content)

    def cancel(self, key: str) -> None:
        """Nobody does."""

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True


class SimulatedExecutor(ClusterExecutor):
    """Leads them."""

    engine = Simulated


def _project(folder: Path, tables: int, *, partitions: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    of = "inputs: {{source: {}}}, function: one, columns: {{n: int64}}"
    top = names = ""
    if partitions:
        top = f"dimensions:\n  part: [{', '.join(f'p{number}' for number in range(tables))}]\n"
        names = f"  t0: {{{of.format('source')}, partitions: [part]}}\n"
    else:
        # Each hundred of them are computed from one that is computed from the source.
        inputs = [f"t{number // 100 * 100}" if number % 100 else "source" for number in range(tables)]
        each = [f"  t{number}: {{{of.format(name)}}}\n" for number, name in enumerate(inputs)]
        for at in range(0, tables, _IN_FILE):
            (folder / f"tables{at}.yaml").write_text("tables:\n" + "".join(each[at : at + _IN_FILE]))
        top = 'include: ["tables*.yaml"]\n'
    (folder / "lakehouse.yaml").write_text(
        "name: simulation\nmodule: transforms\nstorages: {default: {root: data, shared: true}}\n"
        f'execution: {{executor: dask, options: {{address: "tcp://127.0.0.1:1"}}}}\n{top}tables:\n'
        f"  source: {{kind: source, columns: {{n: int64}}}}\n{names}"
    )
    (folder / "transforms.py").write_text(_CODE)
    (folder / "data/source.csv").write_text("n\n1\n")


def main() -> None:
    """Run it in this process, and print what it took."""
    tables, Simulated.count, Simulated.seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    folder = DATA / "simulation"
    _project(folder, tables, partitions="partitions" in sys.argv)
    os.chdir(folder)
    like = folder / "like"
    _project(like, 1, partitions=False)
    invoke(["-C", str(like), "run", "-q", "--executor", "serial"])
    stored = next((like / "data").rglob("t0.json"))
    manifest = Manifest.from_text(stored.read_text())
    Simulated.answer = packed(Outcome(manifest, None, ()))
    shutil.rmtree(like)
    registry.EXECUTORS["dask"] = registry.Entry(f"{__spec__.name}:SimulatedExecutor")  # type: ignore[index]
    began, cpu = time.perf_counter(), time.process_time()
    code = invoke(["run", "-q"])
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu - Simulated.spent
    found = {
        "tables": tables,
        "workers": Simulated.count,
        "seconds": Simulated.seconds,
        "code": code,
        "wall": round(seconds, 1),
        "driver_cpu": round(cpu, 2),
        "ms_per_table": round(cpu / tables * 1000, 3),
        "calls": Simulated.calls,
        "busy": round(Simulated.busy / Simulated.count / seconds, 3),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(found))
    sys.exit(code)


if __name__ == "__main__":
    # The executor is found by the name of its module, which is another one than `__main__`.
    from benchmarks.simulation import main as run

    run()
