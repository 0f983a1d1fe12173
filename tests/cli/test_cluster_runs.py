"""Runs on a cluster whose workers are threads of this process: what becomes of tables, whatever the engine."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from msgspec.structs import replace

from lakehouse_cli import registry
from lakehouse_cli.executors.base import WorkerDiedError, WorkerKilledError
from lakehouse_cli.executors.clusters import worker
from lakehouse_cli.executors.clusters.differences import python_version
from lakehouse_cli.executors.clusters.engine import ClusterLostError, Slots
from lakehouse_cli.executors.clusters.messages import Answer, Message, unpacked
from lakehouse_cli.executors.clusters.requirements import Requirements
from lakehouse_cli.executors.clusters.worker import BEGUN, answer, unpack_answers
from tests.clusters.here import Here, HereExecutor
from tests.conftest import Cli, ProjectFolder
from tests.servers.s3 import S3Server

EXECUTION = (
    'storages: {default: {root: data, shared: true}}\nexecution: {executor: dask, options: {address: "tcp://here:1"}}\n'
)
CODE = """
import time
from pathlib import Path

import pandas as pd


def numbers():
    with open({notes!r}, "a") as notes:
        notes.write("computed\\n")
    return pd.DataFrame({{"n": [1]}})
"""


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Here]], None]:
    """Has the project run on an engine."""
    monkeypatch.setitem(registry.EXECUTORS, "dask", registry.Entry("tests.clusters.here:HereExecutor"))
    return lambda engine: monkeypatch.setattr(HereExecutor, "engine", engine)


@pytest.fixture
def notes(folder: ProjectFolder) -> Path:
    """A project of one table, which notes in this file that it was computed."""
    notes = folder.path / "notes"
    folder.declare("numbers: {columns: {n: int64}}", CODE.format(notes=str(notes)), top=EXECUTION)
    return notes


def test_address_of_another_cluster(
    cli: Cli, on: Callable[[type[Here]], None], notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The options of the project's executor are not those of one that the command names."""
    addresses: list[str] = []

    class Addressed(Here):
        def connect(self) -> None:
            addresses.append(self.address)
            super().connect()

    class Other(HereExecutor):
        pass

    monkeypatch.setattr("tests.clusters.here.Other", Other, raising=False)
    monkeypatch.setitem(registry.EXECUTORS, "ray", registry.Entry("tests.clusters.here:Other"))
    on(Addressed)
    assert cli("run").code == cli("run", "--force", "--executor", "ray").code == 0
    assert addresses == ["tcp://here:1", ""]


class Silent(Here):
    """Nobody answers, at once or as soon as there is work."""

    at_once = True
    left = False

    def connect(self) -> None:
        super().connect()
        self.left = self.at_once
        self.workers()

    def workers(self) -> Mapping[str, Slots]:
        if self.left:
            raise ClusterLostError("nobody answers there", hint="look for it")
        return super().workers()

    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float] | None) -> None:
        if resources is None:
            super().call(worker, key, message, resources)
        else:
            self.left = True


@pytest.mark.parametrize("at_once", [True, False])
def test_cluster_that_does_not_answer(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], notes: Path, at_once: bool
) -> None:
    """It is said once, of however many tables."""
    on(type("Silent", (Silent,), {"at_once": at_once}))
    folder.edit("lakehouse.yaml", "here:1", 'here:1", reconnect: "1ms')
    folder.edit("lakehouse.yaml", "numbers:", "a: {function: numbers}\n  b: {function: numbers}\n  numbers:")
    ran = cli("run")
    assert ran.code == 1
    assert ran.err.count("nobody answers there") == 1
    assert ran.out.count("nobody answers there") == (1 if at_once else 2)  # in the rows of what was under way
    assert ran.out.count("the cluster cannot be used: see `") == (2 if at_once else 1)
    assert not notes.exists()


class DiesOnce(Here):
    """A worker dies when it has done its first piece of work."""

    died = False

    def answered(self, key: str, content: bytes, is_work: bool) -> None:
        if is_work and not self.died:
            self.died = True
            self.lose()
            self.on_answer(key, None, WorkerDiedError("was killed"))
        else:
            super().answered(key, content, is_work)

    def lose(self) -> None:
        """What goes with it."""


class LosesData(DiesOnce):
    """It had written the manifest, and not the data."""

    def lose(self) -> None:
        Path("data/numbers.csv").unlink()


def test_worker_that_dies_when_it_has_stored_a_table(cli: Cli, on: Callable[[type[Here]], None], notes: Path) -> None:
    """The table is taken as it is, and not computed again."""
    on(DiesOnce)
    ran = cli("run", "-o", "json")
    assert ran.statuses == {"numbers": "materialized"}, ran.err
    assert notes.read_text() == "computed\n"
    assert cli("show", "numbers").code == 0


class Small(Here):
    """A worker ends each process for want of memory; there may be another."""

    sizes: ClassVar = {"one": 2.0**30}
    why: ClassVar = "was ended by the system, which was out of memory"

    def workers(self) -> Mapping[str, Slots]:
        return {name: Slots(1, {"memory": size}) for name, size in self.sizes.items()}

    def _answer(self, worker: str, key: str, message: bytes, is_work: bool) -> None:
        if worker == "one" and is_work:
            self.on_answer(key, None, WorkerKilledError(self.why))
        else:
            super()._answer(worker, key, message, is_work)


@pytest.mark.parametrize(
    ("asked", "told"),
    [("", "`resources: {memory: 2GiB}`"), ("200MB", "`resources: {memory: [200MB, 2GiB]}` and `retries: 1`")],
)
def test_hint_for_a_table_that_lacked_memory(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], notes: Path, asked: str, told: str
) -> None:
    """It names the worker, and works when it is followed."""
    on(Small)
    if asked:
        folder.edit("lakehouse.yaml", "{columns:", f"{{resources: {{memory: {asked}}}, columns:")
    ran = cli("run")
    assert ran.code == 1, ran.out
    assert "`numbers` at one was ended by the system, which was out of memory" in ran.err, ran.err
    has = "have a worker with more memory than one, which has 1GiB, and write"
    assert f"next: {has} {told}; the other tables went on" in ran.err, ran.err
    folder.edit("lakehouse.yaml", f"resources: {{memory: {asked}}}, ", "") if asked else None
    said = ", ".join(told.split("`")[1::2])
    folder.edit("lakehouse.yaml", "{columns:", f"{{retry_delay: 0.01, {said}, columns:")
    on(type("Large", (Small,), {"sizes": {"one": 2.0**30, "two": 2.0**32}}))
    assert cli("run", "-o", "json").statuses == {"numbers": "materialized"}
    assert notes.read_text() == "computed\n"


def test_hint_for_a_table_whose_process_was_killed(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], notes: Path
) -> None:
    """By whom, nobody knows: more memory is for where it was short."""
    on(type("Killed", (Small,), {"why": "was killed by SIGKILL; the system may have been out of memory"}))
    ran = cli("run")
    assert "`numbers` at one was killed by SIGKILL; the system may have been out of memory" in ran.err
    assert "next: if memory was short, have a worker with more memory than one, which has 1GiB" in ran.err


class Ended(Small):
    """The engine ends a worker for want of memory, which then is gone; the others join."""

    is_gone = False

    def workers(self) -> Mapping[str, Slots]:
        return {name: slots for name, slots in super().workers().items() if (name == "one") != self.is_gone}

    def _answer(self, worker: str, key: str, message: bytes, is_work: bool) -> None:
        if worker == "one" and is_work:
            self.on_said(key, BEGUN, None)
            self.is_gone = True
        else:
            Here._answer(self, worker, key, message, is_work)

    def lacked_memory(self, worker: str) -> bool:
        return worker == "one"


def test_worker_that_its_engine_ends_for_want_of_memory(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], notes: Path
) -> None:
    """It is said as such, with what it had; the next attempt is given to one that has more."""
    on(Ended)
    ran = cli("run")
    said = (
        "the process that computed `numbers` at one went with its worker, which threads ended, as it was out of memory"
    )
    assert said in ran.err, ran.err
    assert "next: have a worker with more memory than one, which has 1GiB, and write" in ran.err
    on(type("Two", (Ended,), {"sizes": {"one": 2.0**30, "two": 2.0**32}}))
    asked = "resources: {memory: [200MB, 2GiB]}, retries: 1, retry_delay: 0.01"
    folder.edit("lakehouse.yaml", "{columns:", f"{{{asked}, columns:")
    ran = cli("run", "-o", "json")
    assert ran.statuses == {"numbers": "materialized"}, ran.err
    assert ran.json["tables"][0]["attempts"] == 2


def test_worker_that_dies_before_the_data_are_there(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], notes: Path
) -> None:
    """A manifest alone is no table: it failed, and the next attempt computes it."""
    on(LosesData)
    ran = cli("run")
    assert ran.code == 1, ran.out
    assert "was killed" in ran.out
    folder.edit("lakehouse.yaml", "{columns:", "{retries: 1, retry_delay: 0.01, columns:")
    ran = cli("run", "-o", "json")
    assert ran.statuses == {"numbers": "materialized"}, ran.err
    assert ran.json["tables"][0]["attempts"] == 2
    assert notes.read_text() == "computed\n" * 3
    assert cli("plan", "-o", "json").json["tables"][0]["action"] == "skip"


class Behind(Here):
    """Workers whose clocks are an hour behind."""

    def answered(self, key: str, content: bytes, is_work: bool) -> None:
        if key.startswith("greet "):
            (greeted,) = unpack_answers(content).values()
            content = msgspec.msgpack.encode({0: replace(greeted, seconds=greeted.seconds - 3600)})
        super().answered(key, content, is_work)


def test_moments_are_those_of_the_machine_of_the_run(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], notes: Path
) -> None:
    """A worker whose clock differs is told by how much, and the user is."""
    on(Behind)
    ran = cli("run")
    assert ran.code == 0, ran.out
    assert "note: the clock of one is 3,600 s behind this machine's" in ran.err
    (stored,) = (folder.path / "data").rglob("numbers.json")
    moments = [datetime.fromisoformat(json.loads(stored.read_text())[name]) for name in ("started_at", "finished_at")]
    # It is not, in truth, so that what it records is an hour too late.
    assert all(timedelta(minutes=50) < moment - datetime.now(UTC) < timedelta(minutes=61) for moment in moments)


class Heard(Here):
    """Keeps all that travels to workers."""

    sent: list[bytes]

    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float] | None) -> None:
        asked = msgspec.msgpack.decode(message, type=Message)
        self.sent += [asked.content, *(pickle.dumps(unpacked(work.call)) for work in asked.work)]
        super().call(worker, key, message, resources)


def test_params_from_variables_do_not_travel(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their names do; workers fill them in, of a table and of the project, of a whole table and of a partition."""
    code = """
import pyarrow as pa


def whole(token: str, market: str) -> pa.Table:
    return pa.table({"token": [token], "market": [market]})


def parts(region: str, token: str) -> pa.Table:
    return pa.table({"region": [region], "token": [token]})
"""
    params = 'params: {token: "t-${TOKEN}"}'
    folder.declare(
        f"whole: {{{params}, columns: {{token: string, market: string}}}}\n"
        f"parts: {{{params}, partitions: [region], columns: {{region: string, token: string}}}}\n",
        code,
        top='params: {market: "${MARKET}"}\ndimensions: {region: [eu]}\n' + EXECUTION,
    )
    monkeypatch.setenv("TOKEN", "t0k3n")
    monkeypatch.setenv("MARKET", "n0rth")
    Heard.sent = []
    on(Heard)
    for more in ([], ["--executor", "processes"]):
        assert cli("run", "--force", *more).code == 0
        assert folder.read("data/whole.csv") == "token,market\nt-t0k3n,n0rth\n"
        assert folder.read("data/parts/region=eu/data.csv") == "region,token\neu,t-t0k3n\n"
    assert len(Heard.sent) > 2
    assert not any(secret in sent for sent in Heard.sent for secret in (b"t0k3n", b"n0rth"))
    given = cli("run", "--force", "--param", "token=other")
    assert given.code == 2
    assert "param `token` comes from a variable, and its value is not sent" in given.err


def test_worker_with_another_value_of_a_param(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given nothing: what it computed would be recorded as computed from the value that is here."""
    folder.declare('t: {params: {token: "${TOKEN}"}}', "def t(token):\n    pass\n", top=EXECUTION)
    folder.write(".env", "TOKEN=of-this-machine\n")
    on(Here)
    ran = cli("run")
    assert ran.code == 1
    assert "it lacks the environment variable `TOKEN`" in ran.out + ran.err


class Newer(Here):
    """Workers of a newer Python than the run's."""

    def greet(self, worker: str, key: str, message: bytes, requirements: Requirements) -> None:
        super().greet(worker, key, message, replace(requirements, python="3.9"))


def test_other_python_and_modules_that_are_nowhere(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], notes: Path
) -> None:
    """All is said of each worker before anything runs; what only a branch imports keeps nothing from running."""
    on(Newer)
    folder.edit("transforms.py", "import time", "import nowhere_at_all, neither.here")
    ran = cli("run")
    assert ran.code == 1
    for name in ("nowhere_at_all", "neither"):
        assert f"it has no module `{name}`, nor has this machine: install it" in ran.err
    assert f"one, two: it has Python {python_version()}, not 3.9" in ran.err
    assert not notes.exists()
    on(Here)
    folder.edit("transforms.py", "import nowhere_at_all, neither.here", "def other():\n    import nowhere_at_all")
    assert cli("run").code == 0


def test_chain_stays_at_the_worker_that_wrote_its_inputs(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None]
) -> None:
    on(Here)
    code = "import pyarrow as pa\n\n\ndef t0() -> pa.Table:\n    return pa.table({'n': [1]})\n"
    for step in range(1, 10):
        code += f"\n\ndef t{step}(t{step - 1}: pa.Table) -> pa.Table:\n    return t{step - 1}\n"
    folder.declare("\n".join(f"t{step}: {{columns: {{n: int64}}}}" for step in range(10)), code, top=EXECUTION)
    events = [json.loads(line) for line in cli("run", "--log-format", "json").err.splitlines()]
    placed = [(each["table"], each["worker"]) for each in events if each["event"] == "table_placed"]
    assert placed == [(f"t{step}", placed[0][1]) for step in range(10)]


def test_size_of_what_is_sent(folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], notes: Path) -> None:
    """`plan -v` shows it, with the biggest files; a large one is noted by the run as well."""
    on(Here)
    folder.edit("lakehouse.yaml", "{columns:", "{uses: {files: [one.bin]}, columns:")
    for size in (1_000_000, 11_000_000):
        with (folder.path / "one.bin").open("wb") as file:
            file.truncate(size)
        megabytes = f"{size // 1_000_000} MB"
        sent = f"each worker is sent 2 files of {megabytes}: `one.bin` {megabytes}, `transforms.py` "
        shown = [" ".join((ran.out + ran.err).split()) for ran in (cli("plan", "-v"), cli("plan"), cli("run"))]
        assert [sent in each for each in shown] == [True, size > 10_000_000, size > 10_000_000]
    with (folder.path / "one.bin").open("wb") as file:
        file.truncate(200_000_000)
    assert "each worker would be sent 2 files of 200 MB: `one.bin` 200 MB" in " ".join(cli("plan").out.split())
    assert "more than 100.0 MB are sent to a worker: `one.bin` 200.0 MB, `transforms.py` " in cli("run").err


TOGETHER = """
import random

import pyarrow as pa


def one() -> pa.Table:
    return pa.table({"n": [random.getrandbits(60)]})


def pair(one: pa.Table) -> dict[str, pa.Table]:
    return {"left": one, "right": one}


def parts(region: str, one: pa.Table) -> pa.Table:
    return one.append_column("region", pa.array([region]))


def last(left: pa.Table, parts: pa.Table) -> pa.Table:
    return pa.table({"n": [parts.num_rows]})
"""


@pytest.fixture
def several(folder: ProjectFolder) -> ProjectFolder:
    """Whole tables, results of one function and partitions, whose last one fails; they wait beside where they go."""
    folder.declare(
        """one: {columns: {n: int64}}
left: {inputs: [one], function: pair, output: left, columns: {n: int64}}
right: {inputs: [one], function: pair, output: right, columns: {n: int64}}
parts: {inputs: [one], partitions: [region], columns: {region: string, n: int64}, key: [region, n]}
last: {columns: {n: {type: int64, max: 1}}, checks: [{row_count: {equals: right}}]}
""",
        TOGETHER,
        top="dimensions: {region: [eu, us]}\n" + EXECUTION.replace("root: data", "root: data/lake"),
    )
    return folder


def test_together(several: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None]) -> None:
    """Nothing is stored until all have passed, and nothing is left beside it."""
    on(Here)
    ran = cli("run", "--together", "-o", "json")
    assert ran.code == 1
    assert ran.statuses == {**dict.fromkeys(("one", "left", "right", "parts"), "held_back"), "last": "failed"}, ran.err
    assert list(several.path.glob("data/**/*.csv")) == []
    several.edit("lakehouse.yaml", "max: 1", "max: 2")
    several.edit("lakehouse.yaml", "executor: dask", "executor: dask, publish: together")
    ran = cli("run", "-o", "json")
    assert set(ran.statuses.values()) == {"materialized"}, ran.err
    assert list(several.path.glob("data/lake/.*spill*")) == []
    assert several.read("data/lake/left.csv") == several.read("data/lake/one.csv")
    assert set(cli("run", "-o", "json").statuses.values()) == {"unchanged"}


class Orphans(Here):
    """What has been computed is computed once more, by a worker that was thought dead."""

    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float] | None) -> None:
        super().call(worker, key, message, resources)
        if resources is not None and "-one-" in key:
            self.orphan = worker, message

    def answered(self, key: str, content: bytes, is_work: bool) -> None:
        if is_work and "-left-" in key:
            worker, message = self.orphan
            answer(message, str(self._folders[worker]))
        super().answered(key, content, is_work)


def test_together_with_an_orphan(several: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None]) -> None:
    """What others were computed from is not replaced by what they were not."""
    several.edit("lakehouse.yaml", "max: 1", "max: 2")
    on(Orphans)
    ran = cli("run", "--together", "--workers", "1")
    assert ran.code == 1, ran.out
    assert "`one` was computed once more by a worker that had been thought dead" in ran.out
    assert list(several.path.glob("data/**/*.csv")) == []


def test_together_without_a_folder(folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None]) -> None:
    """It is refused before anything is computed, also where the command asks for it."""
    on(Here)
    folder.declare(
        "t: {}",
        "def t():\n    raise\n",
        top=EXECUTION.replace("root: data, shared: true", 'root: "s3://lake/x", format: parquet'),
    )
    ran = cli("run", "--together")
    assert ran.code == 2
    assert "error: results cannot wait to be published together where the workers of a cluster share no" in ran.err


SLOWLY = """
import os
import random
import threading
from pathlib import Path

import obstore
import pyarrow as pa
from obstore.store import S3Store

OTHER = Path({other!r})


def numbers() -> pa.Table:
    if OTHER.exists():  # another run stores what it computed: its data, and in a while what says that they are its
        store = S3Store({bucket!r}, virtual_hosted_style_request=False)
        obstore.put(store, "lake/numbers.csv", (OTHER / "numbers.csv").read_bytes())
        manifest = (OTHER / "numbers.json").read_bytes()
        threading.Timer(1.0, obstore.put, [store, "lake/.lakehouse/manifests/numbers.json", manifest]).start()
    return pa.table({{"n": [random.getrandbits(60)]}})
"""


def test_run_that_is_overtaken_waits_for_what_the_other_stores(
    folder: ProjectFolder,
    cli: Cli,
    on: Callable[[type[Here]], None],
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """It takes that as its own, once it is there."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    bucket, other = s3_server.make_bucket("overtaken"), tmp_path / "other"
    store = s3_server.store(bucket)
    top = EXECUTION.replace("root: data, shared: true", f'root: "s3://{bucket}/lake"')
    folder.declare("numbers: {columns: {n: int64}}", SLOWLY.format(bucket=bucket, other=str(other)), top=top)
    on(Here)
    assert cli("run").code == 0
    stored = {key: store.get(key).bytes() for key in ("lake/numbers.csv", "lake/.lakehouse/manifests/numbers.json")}
    other.mkdir()
    for key, content in stored.items():
        (other / key.rpartition("/")[2]).write_bytes(bytes(content))
        store.delete(key)
    ran = cli("run", "-o", "json")
    assert ran.statuses == {"numbers": "materialized"}, ran.out
    assert store.get("lake/numbers.csv").bytes() == stored["lake/numbers.csv"]
    assert cli("run", "-o", "json").statuses == {"numbers": "unchanged"}


class Parted(Here):
    """Counts the parts of files that are asked for; they may be gone."""

    parts = 0
    gone = False

    def answered(self, key: str, content: bytes, is_work: bool) -> None:
        if key.startswith("part "):
            type(self).parts += 1
            content = content if not self.gone else msgspec.msgpack.encode({0: Answer("start", text="it is gone")})
        super().answered(key, content, is_work)

    def close(self) -> None:
        """Nothing that was fetched is left at a worker."""
        left = [path for each in self._folders.values() for path in each.rglob("new@*")]
        assert self.gone or not left, left
        super().close()


BREAKING = """
import os

import pyarrow as pa

from lakehouse_cli.executors.clusters import messages


def of_source(s: pa.Table) -> pa.Table:
    return s


def breaking() -> pa.Table:
    messages.PART = 8 << 20  # in this process, which is a worker's
    texts = [os.environ["OTHER_SECRET"] if row == 1501 else "word" for row in range(3000)]
    return pa.table({"n": range(3000), "text": texts, "e": ["a@b.c"] * 3000})


def larger() -> pa.Table:
    data = breaking()
    messages.PART = 0
    return data


def pair() -> dict[str, pa.Table]:
    return {"left": breaking(), "right": breaking()}
"""


def test_rows_that_break_a_contract_come_here(
    folder: ProjectFolder, cli: Cli, on: Callable[[type[Here]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, large files in parts, of sources and several results too; without secrets that no worker knows."""
    on(Parted)
    monkeypatch.setattr(worker, "PART", 1000)
    secret = "correct-horse-battery"
    monkeypatch.setenv("OTHER_SECRET", secret)
    contract = """
columns: {n: int64, text: string, e: {type: string, sensitive: true}}, checks: [
  {expression: "n % 3 = 0", name: third},
  {sql: "select n as i from this, unnest([1, 2]) where n < 900 order by n", name: twice}]
"""
    folder.declare(
        f"""s: {{kind: source, columns: {{n: {{type: int64, nullable: false}}}}}}
of_source: {{inputs: [s], columns: {{n: int64}}}}
breaking: {{{contract}}}
larger: {{{contract}}}
left: {{function: pair, output: left, {contract}}}
right: {{function: pair, output: right, {contract}}}
""",
        BREAKING,
        top=EXECUTION.replace(
            "}\n", ', other: {root: "s3://b/x", options: {secret_access_key: "${OTHER_SECRET}"}}}\n', 1
        ),
    )
    folder.write("data/s.csv", "n\n" + "\n".join("1" if row % 2 else '""' for row in range(4000)) + "\n")
    ran = cli("run")
    assert ran.code == 1
    said = (
        ("s", "2,000"),
        ("breaking", "3,800"),
        ("left", "3,800"),
        ("right", "3,800"),
        ("larger", "3,800"),
    )
    for name, rows in said:
        assert f"`lakehouse show {name} --failed` shows the {rows} rows" in ran.err, name
    expected = [(row + 1, str(row)) for row in range(3000) if row % 3]
    first = cli("show", "breaking", "--failed", "-o", "json").json["rows"]
    for name in ("breaking", "larger", "left", "right"):
        shown = cli("show", name, "--failed", "-o", "json").json
        assert (shown["count"], shown["left_out"]) == (3800, 0)
        assert [(each["row"], each["values"]["n"]) for each in shown["rows"][:2000]] == expected
        assert {each["values"]["e"] for each in shown["rows"][:2000]} == {"***"}
        assert {each["values"]["text"] for each in shown["rows"][:2000]} == {"word", "${OTHER_SECRET}"}
        assert {(each["row"], *each["values"].values()) for each in shown["rows"][2000:]} == {(None, "***")}
    lines = [each["line"] for each in cli("show", "s", "--failed", "-o", "json").json["rows"]]
    assert lines == [row + 2 for row in range(0, 4000, 2)]
    assert Parted.parts > 5
    # So they do of tables that are published all the same.
    for check in ("third", "twice"):
        folder.edit("lakehouse.yaml", f"name: {check}", f"name: {check}, severity: warn")
    statuses = cli("run", "-o", "json").statuses
    for name, rows in (("breaking", first), ("left", first), ("right", first), ("larger", first)):
        found = cli("show", name, "--failed", "-o", "json").json
        assert (statuses[name], found["count"], found["rows"]) == ("materialized", 3800, rows), name
    monkeypatch.setattr(Parted, "gone", True)
    assert cli("run", "larger", "--force").code == 0
    found = cli("show", "larger", "--failed", "-o", "json").json
    assert (found["count"], found["left_out"], len(found["rows"])) == (3800, 1800, 2000)
    kept = [path for path in Path(".lakehouse/failed").iterdir() if path.name.startswith("new@")]
    assert kept == []
    for path in Path(".lakehouse/failed").iterdir():
        assert not any(text in path.read_bytes() for text in (secret.encode(), b"a@b.c")), path
