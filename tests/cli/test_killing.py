"""Killing a run with all its processes, at any moment: nothing half-written, and the next run makes it good."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from tests import preloaded
from tests.cli.running import COMMAND, kill_group
from tests.conftest import Cli, ProjectFolder
from tests.preloaded import Preloaded

EXECUTORS = ["threads", "processes", "serial"]
KILLS = 4
ROWS = 5000
COMPUTED = [*(f"{chain}{index}.csv" for chain in "pqr" for index in range(3)), "last.csv"]
# The beginning and the end of each table's work; fewer where some are up to date already.
EVENTS = 2 * len(COMPUTED) - 2


@dataclass(frozen=True)
class Undisturbed:
    """A project of which two versions of its source were run to the end.

    Attributes:
        folder: It, as the second run left it.
        stored: Of each version, every file under data but the manifests.
    """

    folder: ProjectFolder
    stored: tuple[dict[str, bytes], dict[str, bytes]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Three chains of three tables below one source, and a table above them all."""
    folder = ProjectFolder(tmp_path_factory.mktemp("undisturbed"))
    lines = ["name: killed", "module: transforms", "tables:", "  t: {kind: source, columns: {a: int64, b: string}}"]
    code = ["import pyarrow as pa", "import pyarrow.compute as pc"]
    for chain in "pqr":
        for index in range(3):
            lines.append(f"  {chain}{index}: {{columns: {{a: int64, b: string}}}}")
            above = f"{chain}{index - 1}" if index else "t"
            code += [f"def {chain}{index}({above}: pa.Table):"]
            code += [f"    return {above}.set_column(0, 'a', pc.add({above}['a'], 1))"]
    lines.append("  last: {columns: {a: int64, b: string}}")
    code += ["def last(p2: pa.Table, q2: pa.Table, r2: pa.Table):", "    return pa.concat_tables([p2, q2, r2])"]
    folder.write("lakehouse.yaml", "\n".join(lines) + "\n")
    folder.write("transforms.py", "\n".join(code) + "\n")
    give_source(folder, 0)
    run_to_the_end(folder, "threads")
    first = stored(folder)
    give_source(folder, 1)
    run_to_the_end(folder, "threads")
    second = stored(folder)
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first)
    return Undisturbed(folder, (first, second))


def give_source(folder: ProjectFolder, version: int) -> None:
    folder.write("data/t.csv", "a,b\n" + "".join(f"{row + version},row {row}\n" for row in range(ROWS)))


def stored(folder: ProjectFolder) -> dict[str, bytes]:
    """Every file under data but the manifests."""
    return {name: (folder.path / "data" / name).read_bytes() for name in folder.files()}


def started(folder: ProjectFolder, executor: str) -> subprocess.Popen[bytes]:
    """A run that writes its events to stderr."""
    return Preloaded(
        [*COMMAND, "run", "--executor", executor, "--workers", "2", "--log-format", "json"],
        cwd=folder.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def run_to_the_end(folder: ProjectFolder, executor: str) -> None:
    process = started(folder, executor)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()


def killed(folder: ProjectFolder, executor: str, chance: random.Random) -> tuple[bool, str]:
    """Run, and kill it with all its processes; returns whether it lived until then, and when that was, for people.

    The moment is chosen among the events, and some milliseconds, in which a table is computed, checked and written,
    after one.
    """
    event = chance.randint(0, EVENTS)
    pause = chance.uniform(0, 0.02)
    process = started(folder, executor)
    try:
        assert process.stderr is not None
        with process.stderr:
            for _ in range(event):
                process.stderr.readline()
            time.sleep(pause)
            alive = process.poll() is None
    finally:
        kill_group(process)
    return alive, f"{pause:.4f} s after event {event}"


def unknown_state(folder: ProjectFolder) -> list[str]:
    """What lies in the folders of ours beside manifests of tables, history, locks and the caches."""
    ours = [*(folder.path / ".lakehouse").rglob("*"), *(folder.path / "data/.lakehouse").rglob("*")]
    names = [path.relative_to(folder.path).as_posix() for path in ours if path.is_file() and path.name != ".gitignore"]
    tables = {name.removesuffix(".csv") for name in folder.files()}
    known = {f".lakehouse/cache/{name}" for name in ("code.json", "stat.jsonl", "tables-default.json")}
    known |= {".lakehouse/locks/default.lock"}
    known |= {f"data/.lakehouse/manifests/{table}.json" for table in tables}
    return [name for name in names if name not in known and not name.startswith(".lakehouse/runs/2")]


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_killed_and_repeated_run_gives_the_same_bytes(
    undisturbed: Undisturbed, folder: ProjectFolder, cli: Cli, executor: str
) -> None:
    shutil.copytree(undisturbed.folder.path, folder.path, dirs_exist_ok=True)
    shutil.rmtree(folder.path / ".lakehouse/runs")
    expected = undisturbed.stored
    died = 0
    for kill in range(KILLS):
        seed = f"{executor} {kill}"
        chance = random.Random(seed)
        # Each starts from what the one before left, in the middle of going from one version to the other.
        before = stored(folder)
        version = chance.choice([v for v in (0, 1) if any(before[name] != expected[v][name] for name in COMPUTED)])
        give_source(folder, version)
        alive, moment = killed(folder, executor, chance)
        died += alive
        reported = f"seed {seed!r}: killed {moment}"
        found = stored(folder)
        for name in COMPUTED:
            assert found[name] in (expected[0][name], expected[1][name]), f"{name} is half-written; {reported}"
        # What is taken to be up to date is what an undisturbed run would have stored.
        plan = cli("plan", "-o", "json").json["tables"]
        for name in [f"{table['name']}.csv" for table in plan if table["action"] == "skip"]:
            assert found[name] == expected[version][name], f"{name} is planned as up to date and is not; {reported}"
    assert died >= KILLS // 2
    # One may have reported its end before it was killed.
    assert 0 < [run["status"] for run in cli("runs", "-o", "json").json["runs"]].count("died") <= died

    assert cli("clean", "--yes").code == 0
    assert folder.files() == sorted([*COMPUTED, "t.csv"])
    assert unknown_state(folder) == []
    run_to_the_end(folder, executor)
    assert stored(folder) == expected[version]
    assert cli("plan", "--exit-code").code == 0
    assert cli("clean").out == "nothing to clean\n"


DYING = """
import os, signal
from lakehouse_cli.cli.main import main
replace = os.replace
def dying(source, target, **folders):
    if str(target).endswith("totals.json"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target, **folders)
os.replace = dying
main()
"""


def test_data_without_manifest_are_the_killed_runs(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    [first] = cli("runs", "-o", "json").json["runs"]
    project.write("data/orders.csv", "customer,amount\n007,50\n")
    before = project.read("data/totals.csv")
    ran = preloaded.run([sys.executable, "-c", DYING, "run"], cwd=project.path, capture_output=True)
    assert ran.returncode == -signal.SIGKILL
    assert project.read("data/totals.csv") != before
    killed = cli("runs", "-o", "json").json["runs"][0]["run_id"]
    assert killed != first["run_id"]
    planned = {table["name"]: table["reasons"] for table in cli("plan", "-o", "json").json["tables"]}
    assert planned["totals"][0]["code"] == "data_changed"
    reported = planned["totals"][0]["message"]
    assert reported.startswith(f"data/totals.csv was modified by the interrupted run {killed} (its time is ")
    assert reported.endswith(f" since run {first['run_id']} stored it")
    # Of other data than those of the killed run it says nothing.
    project.write("data/totals.csv", "customer,total\n007,1\n")
    assert "was modified outside lakehouse" in cli("plan").out


def test_leftover_of_the_code_cache_is_removed(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert unknown_state(project) == []
    left = project.path / ".lakehouse/cache/code.99999"
    left.write_text('{"key": ')
    project.edit("transforms.py", '"sum"', '"max"')
    assert cli("run").code == 0
    assert not left.exists()
    assert unknown_state(project) == []
