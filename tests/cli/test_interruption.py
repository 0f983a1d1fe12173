"""Ctrl-C, termination and sudden death, in processes of their own."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests import preloaded
from tests.cli.running import COMMAND, TABLE, Running, running, until
from tests.conftest import Cli, ProjectFolder
from tests.preloaded import Preloaded

ON_A_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"


@pytest.fixture
def slow(folder: ProjectFolder) -> ProjectFolder:
    """Three tables of which the second signals by a file that it has begun, and goes on when there is another."""
    folder.write(
        "lakehouse.yaml",
        """
        name: slow
        module: transforms
        tables:
          one: {columns: {a: int64}}
          two: {columns: {a: int64}}
          three: {columns: {a: int64}}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import pathlib, signal, threading, time
        import pyarrow as pa

        def one():
            return TABLE

        def tell_of_interruptions():
            heed = signal.getsignal(signal.SIGINT)
            if threading.current_thread() is threading.main_thread() and callable(heed):
                signal.signal(signal.SIGINT, lambda *how: (heed(*how), pathlib.Path("heeded").touch()))

        def two(one: pa.Table):
            tell_of_interruptions()
            pathlib.Path("begun").touch()
            limit = time.monotonic() + 60
            while not pathlib.Path("go").exists() and time.monotonic() < limit:
                time.sleep(0.01)
            return one

        def three(two: pa.Table):
            return two
        """.replace("TABLE", TABLE),
    )
    return folder


@contextmanager
def under_way(slow: ProjectFolder, executor: str) -> Iterator[Running]:
    """A run that is at its second table."""
    with running(slow.path, "run", "--executor", executor) as run:
        until((slow.path / "begun").exists, "the second table")
        yield run


def heeded(slow: ProjectFolder, run: Running, executor: str) -> None:
    """Wait until an interruption has come to the run."""
    if executor == "serial":  # its only thread is in the transform, and the run reports when that is done
        until((slow.path / "heeded").exists, "the interruption")
    else:
        run.says("○ three")


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_ctrl_c_once_finishes_what_is_under_way(slow: ProjectFolder, executor: str) -> None:
    with under_way(slow, executor) as run:
        run.interrupt()
        heeded(slow, run, executor)
        (slow.path / "go").touch()
        assert run.ends() == 130
    assert "stopping; finishing two; Ctrl-C again stops at once" in run.out
    assert "interrupted: 2 materialized, 1 cancelled in" in run.out
    assert "Traceback" not in run.out + run.err
    assert slow.files() == ["one.csv", "two.csv"]


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
@pytest.mark.parametrize("how", ["twice", "term"])
def test_ctrl_c_twice_or_termination_ends_at_once(slow: ProjectFolder, cli: Cli, how: str, executor: str) -> None:
    with under_way(slow, executor) as run:
        if how == "term":
            run.process.terminate()
        else:
            run.interrupt()
            heeded(slow, run, executor)
            run.interrupt()
        assert run.ends(patience=10) == 130
    word = "terminated" if how == "term" else "interrupted"
    assert f"{word}: 1 materialized, 2 cancelled in" in run.out
    shown = cli("runs", "show", "last").out
    for text in (run.out, shown):
        assert f"{word}: 1 materialized, 2 cancelled in" in text
        assert [line.split()[-1] for line in text.splitlines() if line.startswith("○")] == [word, word]
    assert "○ two " in run.out
    assert "○ three " in run.out
    assert "Traceback" not in run.out + run.err
    assert slow.files() == ["one.csv"]


@pytest.mark.parametrize(
    ("caught", "said"),
    [("raise RuntimeError('Query interrupted')", "terminated: 1 cancelled in"), ("pass", None)],
    ids=["made another error", "dropped"],
)
def test_termination_that_a_library_loses_ends_the_run(folder: ProjectFolder, caught: str, said: str | None) -> None:
    """As DuckDB does both with what a handler raises: in `serial` the query is in the thread that handles signals."""
    folder.declare(
        "t: {retries: 2}",
        "import pathlib, time\n\ndef t():\n    while True:\n        try:\n            pathlib.Path('begun').touch()\n"
        f"            time.sleep(60)\n        except BaseException:\n            {caught}\n",
    )
    soon = "import lakehouse_cli.runner.unheeded_signals as each; each._PATIENCE_S = 0.5\n"
    with running(folder.path, "run", "--executor", "serial", before=soon) as run:
        until((folder.path / "begun").exists, "the table")
        run.process.terminate()
        assert run.ends() == 130
    assert said in run.out if said else run.err.endswith("terminated\n")
    assert "Traceback" not in run.out + run.err


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_termination_ends_a_run_that_waits_for_a_database(folder: ProjectFolder, cli: Cli, executor: str) -> None:
    """Which another program has locked: the work on tables waits for it, and so does what ends the run in order."""
    folder.declare(
        "raw: {kind: source, storage: files, path: 'raw_{day:%Y-%m-%d}', columns: {a: int64}}\n"
        "t: {partitions: [day], inputs: [raw], key: [a], columns: {a: int64}}",
        "import pathlib\n\ndef t(raw):\n    pathlib.Path('begun').touch()\n"
        "    while not pathlib.Path('go').exists():\n        pass\n    return raw\n",
        top="storages: {default: {type: sqlite, root: lake.db}, files: {root: data}}\n",
    )
    folder.write("data/raw_2024-01-01.csv", "a\n1\n")
    folder.write("go", "")
    assert cli("run").code == 0
    folder.write("data/raw_2024-01-01.csv", "a\n2\n")
    for name in ("go", "begun"):
        (folder.path / name).unlink()
    soon = "import lakehouse_cli.runner.unheeded_signals as each; each._PATIENCE_S = 0.5\n"
    with running(folder.path, "run", "--executor", executor, before=soon) as run:
        until((folder.path / "begun").exists, "the table")
        with closing(sqlite3.connect(folder.path / "lake.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            folder.write("go", "")
            run.process.terminate()
            assert run.ends() == 130
    assert "Traceback" not in run.out + run.err
    assert cli("run").code == 0
    assert cli("show", "t", "-o", "json").json["rows"] == [{"a": 2}]


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_terminal_ctrl_c_in_all_processes_ends_the_run_once(slow: ProjectFolder, executor: str, times: int) -> None:
    shown = ctrl_c_at_a_terminal(slow, executor, times)
    assert "Traceback" not in shown
    if times == 1:
        assert "interrupted: 2 materialized, 1 cancelled in" in shown
        assert slow.files() == ["one.csv", "two.csv"]
    else:
        assert "interrupted: 1 materialized, 2 cancelled in" in shown
        assert slow.files() == ["one.csv"]
    if executor != "serial":  # whose only thread reports when the transform is done
        assert "finishing 1 table; Ctrl-C again stops at once" in shown
    assert "\x1b[?25l" not in shown, "the cursor is never hidden, so that whatever ends the run need not show it again"


@pytest.mark.parametrize(
    ("executor", "option"),
    [("processes", ""), ("threads", ", start_new_session=True"), ("serial", ", start_new_session=True")],
)
def test_terminal_ctrl_c_spares_detached_programs(slow: ProjectFolder, executor: str, option: str) -> None:
    # The program itself signals that it has begun: until it has its session, it heeds what is typed.
    program = "touch begun; until [ -e go ]; do sleep 0.01; done"
    call = f"import subprocess; subprocess.run(['sh', '-c', {program!r}], check=True{option})"
    slow.edit("transforms.py", 'pathlib.Path("begun").touch()', call)
    assert "interrupted: 2 materialized, 1 cancelled in" in ctrl_c_at_a_terminal(slow, executor)


def ctrl_c_at_a_terminal(slow: ProjectFolder, executor: str, times: int = 1) -> str:
    """What is shown on the terminal of a run in which Ctrl-C is typed while the second table is under way.

    Typed once, the table goes on when Ctrl-C has been sent to all.
    """

    def heeded(seen: bytes, drawn: int) -> bool:
        # The serial executor's only thread is in the transform; it reports when that is done.
        return seen.count(b"running") > drawn + 5 if executor == "serial" else b"Ctrl-C again" in seen

    leader, follower = pty.openpty()
    command = [*COMMAND[:-1], ON_A_TERMINAL + COMMAND[-1], "run", "--executor", executor]
    process = Preloaded(
        command,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=slow.path,
        env={**os.environ, "NO_COLOR": "1", "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(follower)
    seen = b""
    typed = drawn = 0
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        while chunk := what_is_shown(terminal.fileno()):
            seen += chunk
            if typed == 0 and (slow.path / "begun").exists():
                os.write(leader, b"\x03")
                typed, drawn = 1, seen.count(b"running")
            elif typed == 1 and times == 1 and heeded(seen, drawn):
                (slow.path / "go").touch()
            elif typed == 1 and times == 2 and heeded(seen, drawn):
                os.write(leader, b"\x03")
                typed = 2
    shown = seen.decode()
    assert process.wait(timeout=20) == 130, shown
    assert typed == times
    return shown


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_a_terminal_that_is_closed_ends_the_run_in_order(slow: ProjectFolder, cli: Cli, executor: str) -> None:
    leader, follower = pty.openpty()
    begin = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n" + ON_A_TERMINAL + COMMAND[-1]
    process = Preloaded(
        [*COMMAND[:-1], begin, "run", "--executor", executor],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=slow.path,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(follower)
    until((slow.path / "begun").exists, "the second table")
    os.close(leader)
    process.wait(timeout=30)
    shown = cli("runs", "show", "last").out
    assert "terminated: 1 materialized, 2 cancelled in" in shown
    assert slow.files() == ["one.csv"]


def test_a_run_under_nohup_goes_on(slow: ProjectFolder) -> None:
    begin = "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + COMMAND[-1]
    process = Preloaded([*COMMAND[:-1], begin, "run", "-q"], cwd=slow.path)
    until((slow.path / "begun").exists, "the second table")
    process.send_signal(signal.SIGHUP)
    (slow.path / "go").touch()
    assert process.wait(timeout=30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_is_reported(project: ProjectFolder, number: int) -> None:
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "class Ending:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'lakehouse_cli.project.facade':\n"
        f"            os.kill(os.getpid(), {number:d})\n"
        "sys.meta_path.insert(0, Ending())\n"
        "from lakehouse_cli.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "plan"], cwd=project.path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "terminated")


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_termination_before_the_first_table_cancels_all(project: ProjectFolder, executor: str) -> None:
    """In the middle of an import of the project's own module."""
    code = project.read("transforms.py")
    project.write("transforms.py", f"import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n{code}")
    argv = [*COMMAND, "run", "-o", "json", "--executor", executor]
    done = preloaded.run(argv, cwd=project.path, capture_output=True, text=True)
    assert done.returncode == 130
    document = json.loads(done.stdout)
    assert document["status"] == "cancelled"
    ended = [(table["name"], table["status"], table["attempts"]) for table in document["tables"]]
    assert ended == [("totals", "cancelled", 0), ("best", "cancelled", 0)]
    assert project.files() == ["orders.csv"]


def what_is_shown(leader: int) -> bytes:
    """What came to the screen since; nothing when the process has let go of the terminal."""
    try:
        return os.read(leader, 10000)
    except OSError:  # how Linux reports the end
        return b""


def test_ctrl_c_while_the_command_line_is_loaded_says_so(project: ProjectFolder) -> None:
    code = (
        "import os, signal, sys\n"
        "class Pressing:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'typer':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Pressing())\n"
        "from lakehouse_cli.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "plan"], cwd=project.path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize("loaded", ["lakehouse_cli.cli.run", "lakehouse_cli.project.facade", "lakehouse_cli.runner"])
@pytest.mark.parametrize("how", [["-q"], ["-o", "json"]])
def test_ctrl_c_before_a_run_has_begun_is_never_lost(project: ProjectFolder, loaded: str, how: list[str]) -> None:
    """Also where an exception would be: importing has places that pass over any. Stderr is masked by then."""
    project.add("lakehouse.yaml", 'storages: {other: {root: "${SECRET}"}}\n')
    code = (
        "import os, signal, sys\n"
        "class Pressing:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == '{loaded}':\n"
        "            try:\n"
        "                os.kill(os.getpid(), signal.SIGINT)\n"
        "            except KeyboardInterrupt:\n"
        "                pass\n"
        "sys.meta_path.insert(0, Pressing())\n"
        "from lakehouse_cli.__main__ import main\n"
        "main()"
    )
    argv, environ = [sys.executable, "-c", code, "run", *how], {**os.environ, "SECRET": "s3cr3t-word"}
    done = subprocess.run(argv, cwd=project.path, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
    assert project.files() == ["orders.csv"]
    assert not list(project.path.glob(".lakehouse/runs/*.jsonl"))


def test_ctrl_c_in_any_command_says_so(project: ProjectFolder) -> None:
    code = (
        "import os, signal, sys\n"
        "class Pressing:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'lakehouse_cli.project.facade':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Pressing())\n"
        "from lakehouse_cli.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "plan"], cwd=project.path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "interrupted")


@pytest.fixture
def failing(folder: ProjectFolder) -> ProjectFolder:
    """A table whose every attempt leaves a line in a file and fails, and one that needs it."""
    folder.write(
        "lakehouse.yaml",
        """
        name: failing
        module: transforms
        tables:
          t: {retries: 5, retry_delay: 60}
          after: {inputs: [t]}
        """,
    )
    folder.write(
        "transforms.py",
        """
        def t():
            with open("attempts", "a") as file:
                print("attempt", file=file)
            raise ValueError("no such day")

        def after(t):
            return t
        """,
    )
    return folder


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_ctrl_c_ends_the_wait_for_another_attempt(failing: ProjectFolder, executor: str) -> None:
    with running(failing.path, "run", "--executor", executor) as run:
        run.says("t: attempt 1 failed")
        run.interrupt()
        assert run.ends(patience=20) == 130
    assert "finishing" not in run.out, "what waits for another attempt is given up"
    assert "interrupted: 1 failed, 1 cancelled in" in run.out
    assert "`t` raised ValueError: no such day" in run.err
    assert "not tried again: interrupted" in run.err
    assert failing.read("attempts") == "attempt\n"


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_after_ctrl_c_an_attempt_that_fails_is_the_last(slow: ProjectFolder, executor: str) -> None:
    slow.edit("lakehouse.yaml", "two: {", "two: {retries: 3, retry_delay: 0, ")
    slow.edit("transforms.py", "    return one\n", "    raise ValueError(one)\n")
    with under_way(slow, executor) as run:
        run.interrupt()
        if executor != "serial":
            run.says("stopping; finishing two")
        (slow.path / "go").touch()
        assert run.ends() == 130
    assert "interrupted: 1 materialized, 1 failed, 1 cancelled in" in run.out
    assert "not tried again: interrupted" in run.err


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_fail_fast_ends_the_wait_for_another_attempt(failing: ProjectFolder, executor: str) -> None:
    failing.add("lakehouse.yaml", "  other: {retries: 0}\n")
    body = "\nimport pathlib, time\ndef other():\n    while not pathlib.Path('go').exists():\n"
    body += "        time.sleep(0.01)\n    raise ValueError('no such night')\n"
    failing.add("transforms.py", body)
    with running(failing.path, "run", "-v", "--fail-fast", "--executor", executor, "--workers", "2") as run:
        run.says("attempt 1 failed")
        (failing.path / "go").touch()
        assert run.ends(patience=20) == 1
    assert "2 failed, 1 cancelled in" in run.out
    assert "not tried again: another table failed, and --fail-fast was given" in run.err
    assert failing.read("attempts") == "attempt\n"


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_cancelled_table_shows_its_attempts(failing: ProjectFolder, cli: Cli, executor: str) -> None:
    failing.edit("lakehouse.yaml", "retry_delay: 60", "retry_delay: 0.01")
    body = "    import pathlib, time\n    if pathlib.Path('attempts').read_text().count('attempt') == 3:\n"
    body += "        pathlib.Path('third').touch()\n        time.sleep(60)\n    raise ValueError"
    failing.edit("transforms.py", "    raise ValueError", body)
    with running(failing.path, "run", "--executor", executor, "-o", "json") as run:
        until((failing.path / "third").exists, "the third attempt")
        run.process.terminate()
        assert run.ends() == 130
    shown = cli("runs", "show", "last", "-o", "json")
    for document in (json.loads(run.out), shown.json):
        reported = {table["name"]: (table["status"], table["attempts"]) for table in document["tables"]}
        assert reported == {"t": ("cancelled", 3), "after": ("cancelled", 0)}


def test_script_ends_though_a_query_goes_on(folder: ProjectFolder) -> None:
    """A thread in a library in C++ cannot be ended by Python, which aborted the process in trying to."""
    folder.declare(
        "t: {}",
        "import pathlib\nimport duckdb\n\ndef t():\n    pathlib.Path('begun').touch()\n    many = 'range(10000000)'\n"
        "    return duckdb.connect().sql(f'select max(a.range % (b.range + 1)) from {many} a, {many} b').df()\n",
    )
    code = (
        "import atexit\nfrom lakehouse_cli import Project\natexit.register(print, 'farewell')\n"
        "print(Project.load().run(on_event=lambda e: print(type(e).__name__, flush=True)).status)\n"
    )
    with Preloaded([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        until((folder.path / "begun").exists, "the query")
        script.send_signal(signal.SIGINT)
        while "RunStopping" not in script.stdout.readline():
            assert script.poll() is None
        script.send_signal(signal.SIGINT)
        rest = script.communicate(timeout=30)[0].splitlines()
    assert (script.returncode, rest[-2:]) == (130, ["cancelled", "farewell"])
