"""Runs with `--executor processes`: retries, processes that transforms start, and what is left when all is over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import preloaded
from tests.cli.running import COMMAND, TABLE, children, running, until
from tests.conftest import ProjectFolder


def only(folder: ProjectFolder, body: str, options: str = "") -> None:
    """One table, computed by this body."""
    folder.declare(f"t: {{columns: {{a: int64}}{options}}}")
    head = "import multiprocessing, os, pathlib, time\nimport pyarrow as pa\n\n"
    head += "def first():\n    if pathlib.Path('tried').exists():\n        return False\n"
    head += "    pathlib.Path('tried').touch()\n    return True\n\n"
    head += "def square(n):\n    pathlib.Path(f'pid{n}').write_text(str(os.getpid()))\n    return n * n\n\n"
    head += "def wait(n):\n    square(n)\n    time.sleep(60)\n\n"
    folder.write("transforms.py", f"{head}def t():\n{body}\n    return {TABLE}\n")


@pytest.mark.parametrize(
    ("executor", "trouble"),
    [
        *((e, t) for e in ("threads", "serial", "processes") for t in ("time.sleep(30)", "raise ValueError")),
        ("processes", "os._exit(3)"),
    ],
)
def test_every_kind_of_failure_is_tried_again(folder: ProjectFolder, executor: str, trouble: str) -> None:
    only(folder, f"    if first():\n        {trouble}", ", retries: 1, retry_delay: 0.01, timeout: 2")
    command = [*COMMAND, "run", "--executor", executor, "-o", "json"]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    [table] = json.loads(done.stdout)["tables"]
    assert (done.returncode, table["status"], table["attempts"]) == (0, "materialized", 2), table


def test_attempts_are_counted_and_last_failure_shown(folder: ProjectFolder) -> None:
    only(folder, "    os._exit(3)", ", retries: 2, retry_delay: 0.01")
    command = [*COMMAND, "run", "--executor", "processes", "--log-format", "json", "-o", "json"]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    [table] = json.loads(done.stdout)["tables"]
    assert (table["status"], table["attempts"]) == ("failed", 3)
    assert "ended with exit code 3" in table["error"]["message"]
    retries = [json.loads(line) for line in done.stderr.splitlines() if "table_retrying" in line]
    assert [(line["attempt"], line["delay_s"]) for line in retries] == [(1, 0.01), (2, 0.02)]


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_table_waiting_to_retry_blocks_no_other(folder: ProjectFolder, executor: str) -> None:
    only(folder, "    assert not first()", ", retries: 1, retry_delay: 2")
    folder.add("lakehouse.yaml", "  u: {}\n")
    folder.add("transforms.py", f"\ndef u():\n    return {TABLE}\n")
    command = [*COMMAND, "run", "--executor", executor, "--workers", "1", "--log-format", "json"]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    reported = [(event["event"], event["table"]) for event in events if event["event"].startswith("table_")]
    assert reported == [
        ("table_started", "t"),
        ("table_retrying", "t"),
        ("table_started", "u"),
        ("table_finished", "u"),
        ("table_finished", "t"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="nowhere else one process limits another")
def test_run_ends_if_no_process_replaces_a_dead_one(folder: ProjectFolder) -> None:
    folder.declare("{a: {}, b: {}}")
    source = """
    import os, resource

    def a():
        resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3))
        os._exit(3)

    def b():
        raise AssertionError("there is no process for it")
    """
    folder.write("transforms.py", source)
    with running(folder.path, "run", "--executor", "processes", "--workers", "1") as run:
        assert run.ends() == 1
    assert "the process that computed `a` ended with exit code 3" in run.err
    assert "`b` cannot be started: too many open files" in run.err
    assert "2 failed" in run.out
    assert "Traceback" not in run.out + run.err


@pytest.mark.parametrize("which", ["first", "another"])
def test_ctrl_c_while_processes_start_ends_the_run(folder: ProjectFolder, which: str) -> None:
    # Those of a run that has loaded Delta Lake start anew; so does one that takes the place of one that died.
    if which == "first":
        only(folder, "    pass")
        delta = "storages: {default: {type: delta, root: data}}\n"
        folder.add("lakehouse.yaml", delta)
    else:
        only(folder, "    if first():\n        os._exit(3)", ", retries: 1, retry_delay: 0.01")
    with running(folder.path, "run", "--executor", "processes", "--workers", "1", "--log-format", "json") as run:
        run.reports({"first": "table_started", "another": "table_retrying"}[which])
        if which == "another":
            until(lambda: children(run.process.pid) != [], "the process of the other attempt")
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.ends() == 130
    assert "interrupted: 1 materialized in" in run.out, run
    assert "Traceback" not in run.out + run.err


def test_transforms_may_start_processes(folder: ProjectFolder) -> None:
    only(folder, "    with multiprocessing.Pool(2) as pool:\n        assert pool.map(square, [2, 3]) == [4, 9]")
    command = [*COMMAND, "run", "--executor", "processes"]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_gone(folder.path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_a_run_that_is_killed(folder: ProjectFolder, number: int) -> None:
    only(folder, "    with multiprocessing.Pool(2) as pool:\n        pool.map(wait, [2, 3])")
    with running(folder.path, "run", "--executor", "processes") as run:
        until(lambda: written(folder.path / "pid2") and written(folder.path / "pid3"), "the first processes")
        # It alone, not its group.
        os.kill(run.process.pid, number)
        run.process.wait(30)
        assert_gone(folder.path)


def test_a_timeout_ends_what_the_transform_started(folder: ProjectFolder) -> None:
    only(folder, "    with multiprocessing.Pool(2) as pool:\n        pool.map(wait, [2, 3])", ", timeout: 3")
    with running(folder.path, "run", "--executor", "processes") as run:
        assert run.ends() == 1
        assert "timeout of 3 s" in run.err
        assert_gone(folder.path)


def test_timed_out_transform_is_cleaned_up_silently(folder: ProjectFolder) -> None:
    # The cleaner lives a moment longer than the run, with the run's stderr.
    body = "    pool = multiprocessing.get_context('spawn').Pool(2)\n"
    only(folder, f"{body}    pool.map(wait, [2, 3])", ", timeout: 3")
    command = [*COMMAND, "run", "--executor", "processes", "-o", "json"]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    [table] = json.loads(done.stdout)["tables"]
    assert "timeout of 3 s" in table["error"]["message"]
    # On a busy machine one of the pool's processes may still be starting then, and says that it was cut off.
    assert "resource_tracker" not in done.stderr
    assert "leaked" not in done.stderr


@pytest.mark.parametrize("how", ["timeout", "killed", "holding the lock"])
def test_programs_that_a_transform_started_end_with_it(folder: ProjectFolder, how: str) -> None:
    """With a program of their own below them; also where Python's lock is taken, so that the process is killed."""
    body = "    import ctypes, subprocess\n"
    body += "    subprocess.Popen(['sh', '-c', 'echo $$ > pid1; sleep 60 & echo $! > pid2; wait'])\n"
    body += "    pid = pathlib.Path('pid2')\n"
    body += "    while not (pid.exists() and pid.read_text()):\n        time.sleep(0.01)\n"
    body += "    ctypes.PyDLL(None).sleep(60)" if how == "holding the lock" else "    time.sleep(60)"
    only(folder, body, "" if how == "killed" else ", timeout: 2")
    with running(folder.path, "run", "--executor", "processes", "--workers", "1") as run:
        if how == "killed":
            until(lambda: written(folder.path / "pid2"), "the programs")
            os.kill(run.process.pid, signal.SIGKILL)
            run.process.wait(30)
        else:
            assert run.ends() == 1
            assert "timeout of 2 s" in run.out + run.err
        assert_gone(folder.path)


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_raised_keyboard_interrupt_fails_its_table(folder: ProjectFolder, executor: str) -> None:
    folder.declare(
        "{t: {}, u: {}}", f"import pyarrow as pa\ndef t():\n    raise KeyboardInterrupt\ndef u():\n    return {TABLE}\n"
    )
    command = [*COMMAND, "run", "--executor", executor, "-o", "json"]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    tables = {table["name"]: table for table in json.loads(done.stdout)["tables"]}
    assert (done.returncode, tables["t"]["status"], tables["u"]["status"]) == (1, "failed", "materialized")
    assert tables["t"]["error"]["message"] == "`t` raised KeyboardInterrupt"
    assert " workers share " not in done.stdout + done.stderr


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
@pytest.mark.parametrize("trouble", ["SystemExit(3)", "KeyboardInterrupt"])
def test_exception_without_text_fails_its_table(folder: ProjectFolder, executor: str, trouble: str) -> None:
    folder.declare("{t: {}, u: {columns: {a: string}}, v: {}}")
    source = """
    import pandas as pd

    class OddError(Exception):
        def __str__(self):
            raise TROUBLE

    class Value:
        def __arrow_array__(self, *_, **__):
            raise TROUBLE
        __iter__ = __len__ = __float__ = __str__ = __repr__ = __arrow_array__

    def t():
        raise OddError

    def u():
        return pd.DataFrame({"a": pd.Series([Value()], dtype=object)})

    def v():
        return pd.DataFrame({"a": [1]})
    """
    folder.write("transforms.py", source.replace("TROUBLE", trouble))
    command = [*COMMAND, "run", "--executor", executor, "-o", "json"]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    tables = {table["name"]: table for table in json.loads(done.stdout)["tables"]}
    assert (done.returncode, [tables[name]["status"] for name in "tuv"]) == (1, ["failed", "failed", "materialized"])
    kind = trouble.partition("(")[0]
    assert tables["t"]["error"]["message"] == f"`t` raised OddError: <str() raised {kind}>"
    assert tables["u"]["error"]["message"].startswith(f"the result of `u` cannot become Arrow: {kind}")


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
@pytest.mark.parametrize(
    ("ending", "code"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("raise ValueError", 1), ("return frame", 0)]
)
def test_process_forked_by_a_transform_ends_with_it(
    folder: ProjectFolder, executor: str, ending: str, code: int
) -> None:
    folder.declare("{a: {}, b: {}, c: {}}")
    source = """
    import os, sys
    import pyarrow as pa

    frame = TABLE

    def a():
        child = os.fork()
        if child == 0:
            print("I am the child")
            ENDING
        print("it ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return frame

    def b():
        raise ValueError("b always fails")

    def c():
        return frame
    """
    folder.write("transforms.py", source.replace("ENDING", ending).replace("TABLE", TABLE))
    command = [*COMMAND, "run", "--executor", executor, "--workers", "1", "-o", "json"]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    statuses = {table["name"]: table["status"] for table in json.loads(done.stdout)["tables"]}
    assert statuses == {"a": "materialized", "b": "failed", "c": "materialized"}, done
    assert folder.files() == ["a.csv", "c.csv"]
    assert sorted(done.stderr.splitlines()) == ["I am the child", f"it ended with {code}"]


def test_process_forked_on_import_ends_there(folder: ProjectFolder) -> None:
    only(folder, "    pass")
    folder.write("transforms.py", "import os\nos.fork()\n" + folder.read("transforms.py"))
    done = preloaded.run([*COMMAND, "run", "--executor", "serial"], cwd=folder.path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.count("1 materialized")) == (0, 1), done


def written(file: Path) -> bool:
    """Whether it has its text; it is there a moment before."""
    return file.exists() and file.read_text() != ""


def assert_gone(folder: Path) -> None:
    """The processes that left their numbers end, if they have not."""
    numbers = [int(file.read_text()) for file in folder.glob("pid*")]
    assert numbers
    limit = time.monotonic() + 10
    while any(lives(number) for number in numbers):
        assert time.monotonic() < limit, f"still there: {numbers}"
        time.sleep(0.05)


def lives(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def counted(folder: ProjectFolder, tables: dict[str, str], *argv: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """A run of tables, each computed from the ones named, and how many processes loaded the transforms for it."""
    text = "".join(f"  {name}: {{}}\n" for name in tables)
    folder.write("lakehouse.yaml", f"name: many\nmodule: transforms\ntables:\n{text}")
    code = "import os, pathlib\nimport pyarrow as pa\n\npathlib.Path(f'process-{os.getpid()}').touch()\n"
    code += "".join(f"\ndef {name}({of}):\n    return {TABLE}\n" for name, of in tables.items())
    folder.write("transforms.py", code)
    command = [*COMMAND, "run", "--executor", "processes", *argv]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    return done, len(list(folder.path.glob("process-*")))


@pytest.mark.skipif(sys.platform != "linux", reason="nowhere else processes are forked")
def test_processes_are_copies_of_the_command(folder: ProjectFolder) -> None:
    """Which start in a tenth of the time, and have its command line."""
    only(
        folder,
        "    own, leader = (pathlib.Path(f'/proc/{n}/cmdline').read_text() for n in (os.getpid(), os.getppid()))",
    )
    folder.edit("transforms.py", "\n    return pa", "\n    assert own == leader\n    return pa")
    command = [*COMMAND, "run", "--executor", "processes"]
    done = preloaded.run(command, cwd=folder.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("workers", ["2", "64", "300"])
def test_one_table_due_starts_one_process(folder: ProjectFolder, workers: str) -> None:
    done, processes = counted(folder, {"t": ""}, "--workers", workers)
    assert (done.returncode, processes) == (0, 1), done.stderr


def test_a_chain_of_tables_shares_a_process(folder: ProjectFolder) -> None:
    done, processes = counted(folder, {"a": "", "b": "a", "c": "b", "d": "c"}, "--workers", "8")
    assert (done.returncode, processes) == (0, 1), done.stderr


def test_three_hundred_workers_are_no_hindrance(folder: ProjectFolder) -> None:
    done, processes = counted(folder, {f"t{n}": "" for n in range(12)}, "--workers", "300")
    assert done.returncode == 0, done.stderr
    assert 1 <= processes <= 12
    assert done.stdout.count("300 workers share ") == 1


def test_four_workers_a_core_are_not_warned_of(folder: ProjectFolder) -> None:
    done, _ = counted(folder, {"t": ""}, "--workers", str(4 * len(os.sched_getaffinity(0))))
    assert " workers share " not in done.stdout + done.stderr
