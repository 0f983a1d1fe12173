"""One run at a time: who is kept out, who is told what, and that nothing stays locked."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.runs.lock import Holder, RunLock, RunLockedError
from tests.cli.running import until

HOLDS = """
import os, sys, time
from pathlib import Path
from lakehouse_cli.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]), "default")
lock.acquire(run_id="20260101-000000-abcd")
child = os.fork() if "fork" in sys.argv else None
if not child:  # the child itself, so that it has begun when its number is known
    print(0 if child is None else os.getpid(), flush=True)
time.sleep(60)
"""


def holding(folder: Path, *more: str) -> tuple[subprocess.Popen[str], int]:
    """Another process that holds the lock, and its child."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(folder), *more], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        return process, int(process.stdout.readline())


def holder_of(folder: Path) -> Holder | None:
    """The holder, as the next run is told of it."""
    with pytest.raises(RunLockedError) as caught:
        RunLock(folder, "default").acquire()
    return caught.value.holder


def test_a_second_run_is_kept_out_and_told_by_whom(tmp_path: Path) -> None:
    process, _ = holding(tmp_path)
    try:
        with pytest.raises(RunLockedError) as caught:
            RunLock(tmp_path, "default").acquire()
    finally:
        process.kill()
        process.wait()
    error = caught.value
    holder = error.holder
    assert holder is not None
    assert (holder.pid, holder.host, holder.run_id) == (process.pid, socket.gethostname(), "20260101-000000-abcd")
    assert error.message.startswith(f"another run (pid {process.pid} on {socket.gethostname()} since ")
    assert error.message.endswith(") holds `default`")
    assert error.hint == "`--wait` waits for it"
    assert error.exit_code == 1


def test_a_killed_holder_lets_go_though_a_worker_of_it_lives(tmp_path: Path) -> None:
    process, child = holding(tmp_path, "fork")
    try:
        process.kill()
        process.wait()
        lock = RunLock(tmp_path, "default")
        lock.acquire()
        assert lock.held
        lock.release()
    finally:
        os.kill(child, signal.SIGKILL)


def test_waiting_ends_when_the_holder_does(tmp_path: Path) -> None:
    process, _ = holding(tmp_path)
    told: list[Holder | None] = []
    lock = RunLock(tmp_path, "default")

    def end(holder: Holder | None) -> None:
        told.append(holder)
        threading.Timer(0.2, kill).start()

    def kill() -> None:
        killed.set()
        process.kill()

    killed = threading.Event()
    lock.acquire(wait=True, on_wait=end)
    assert killed.is_set()
    process.wait()
    assert lock.held
    assert [holder.pid for holder in told if holder] == [process.pid]
    lock.release()


def sleeps(process: int) -> bool:
    """Whether a process waits in a call of the system's."""
    state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "S"


def test_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    process, _ = holding(tmp_path)
    waits = "import sys; from pathlib import Path; from lakehouse_cli.runs.lock import RunLock\n"
    waits += (
        "try:\n    RunLock(Path(sys.argv[1]), 'default').acquire(wait=True, on_wait=lambda h: print('w', flush=True))"
    )
    waits += "\nexcept KeyboardInterrupt:\n    sys.exit(130)"
    waiting = subprocess.Popen([sys.executable, "-c", waits, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert waiting.stdout is not None
        with waiting.stdout:
            waiting.stdout.readline()
        until(lambda: sleeps(waiting.pid), "the wait for the lock")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(timeout=10) == 130
    finally:
        process.kill()
        process.wait()


def fail_within(lock: RunLock) -> None:
    with lock:
        lock.acquire()
        raise LakehouseError("boom")


def test_it_is_free_again_after_release_and_after_an_error(tmp_path: Path) -> None:
    first, second = RunLock(tmp_path, "default"), RunLock(tmp_path, "default")
    first.acquire()
    first.acquire()
    with pytest.raises(RunLockedError):
        second.acquire()
    first.release()
    first.release()
    with pytest.raises(LakehouseError, match="boom"):
        fail_within(second)
    first.acquire()
    first.release()


def test_environments_do_not_keep_each_other_out(tmp_path: Path) -> None:
    with RunLock(tmp_path, "default") as one, RunLock(tmp_path, "../x/prod") as two:
        one.acquire()
        two.acquire()
        assert one.held
        assert two.held
        assert two.path.parent == tmp_path / ".lakehouse/locks"
        assert two.path.exists()


@pytest.mark.parametrize("text", ["", "garbage", "[]", '{"pid": "x"}', '{"pid": 1, "host": "h", "since": "never"}'])
def test_what_a_dead_process_wrote_blocks_nobody(tmp_path: Path, text: str) -> None:
    lock = RunLock(tmp_path, "default")
    lock.path.parent.mkdir(parents=True)
    lock.path.write_text(text)
    lock.acquire(run_id="r")
    holder = holder_of(tmp_path)
    assert holder is not None
    assert holder.pid == os.getpid()
    lock.path.write_text(text)
    with pytest.raises(RunLockedError, match=r"^another run holds `default` "):
        RunLock(tmp_path, "default").acquire()
    lock.release()


def test_a_process_that_is_gone_is_not_told_as_the_holder(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lock = RunLock(tmp_path, "default")
    lock.acquire()
    document = {"pid": gone.pid, "host": socket.gethostname(), "since": "2026-01-01T00:00:00+00:00", "run_id": None}
    lock.path.write_text(json.dumps(document))
    assert holder_of(tmp_path) is None
    lock.path.write_text(json.dumps(document | {"host": "elsewhere"}))
    holder = holder_of(tmp_path)
    assert holder is not None
    assert str(holder).startswith(f"pid {gone.pid} on elsewhere since 202")
    lock.release()


@pytest.mark.parametrize(
    ("in_the_way", "cause"),
    [
        (".lakehouse", "`.lakehouse` is not a folder"),
        (".lakehouse/locks", "`.lakehouse/locks` is not a folder"),
        (".lakehouse/locks/default.lock", "it is a symbolic link, and none is followed here"),
    ],
)
def test_a_lock_that_cannot_be_made_is_an_error_that_names_what_is_in_the_way(
    tmp_path: Path, in_the_way: str, cause: str
) -> None:
    (tmp_path / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / in_the_way).symlink_to(tmp_path / "nowhere")
    told = rf"\.lakehouse/locks/default\.lock cannot be locked: {re.escape(cause)}"
    with pytest.raises(LakehouseError, match=told):
        RunLock(tmp_path, "default").acquire()
    if not cause.startswith("it is"):
        (tmp_path / in_the_way).unlink()
        (tmp_path / in_the_way).write_text("in the way")
        with pytest.raises(LakehouseError, match=told):
            RunLock(tmp_path, "default").acquire()


def test_a_file_system_without_locks_is_told_and_does_not_stop_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_locks(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", without_locks)
    lock = RunLock(tmp_path, "default")
    lock.acquire()
    assert not lock.held
    assert lock.trouble == "locks do not work in .lakehouse/locks (operation not supported)"
    lock.release()


def test_where_the_disk_is_full_a_run_goes_on_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_room(*_: object) -> int:
        raise OSError(28, "No space left on device")

    lock = RunLock(tmp_path, "default")
    with monkeypatch.context() as patched:
        patched.setattr("os.open", without_room)
        lock.acquire()
    assert not lock.held
    assert lock.trouble == "locks do not work in .lakehouse/locks (no space left on device)"


NO_FILE_GROWS = """
import resource, sys
from pathlib import Path
from lakehouse_cli.runs.lock import RunLock
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
lock = RunLock(Path(sys.argv[1]), "default")
lock.acquire()
sys.exit(not lock.held)
"""


def test_locks_stay_out_of_version_control_though_once_there_was_no_room_to_say_so(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", NO_FILE_GROWS, str(tmp_path)], check=True)
    folder = tmp_path / ".lakehouse/locks"
    assert [path.name for path in folder.iterdir()] == ["default.lock"]
    ignored = folder / ".gitignore"
    for left in ("", None):  # as an older version left it
        if left is not None:
            ignored.write_text(left)
        with RunLock(tmp_path, "default") as lock:
            lock.acquire()
        assert ignored.read_text() == "*\n"
        ignored.unlink()


FORKS = """
import os, sys
from pathlib import Path
from lakehouse_cli.runs.history.writing import HistoryWriter
from lakehouse_cli.runs.events import RunStarted
from lakehouse_cli.runs.lock import RunLock
folder = Path(sys.argv[1])
lock, writer = RunLock(folder, "default"), HistoryWriter(folder)
lock.acquire(run_id="r")
writer.handle(RunStarted("20260101-000000-abcd", "shop", "default", ()))
child = os.fork()
if child == 0:
    # These take the numbers that the descriptors of lock and history had.
    files = [os.open(folder / "other", os.O_RDWR) for _ in range(20)]
    lock.release()
    writer.handle(RunStarted("20260101-000001-abcd", "shop", "default", ()))
    writer.close()
    for file in files:
        os.fstat(file)
    os._exit(0)
status = os.waitpid(child, 0)[1]
print(status, lock.held, lock.path.read_text(), flush=True)
sys.stdin.read()
"""


def test_a_forked_process_that_unwinds_touches_neither_the_lock_nor_other_files(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    status, held, text = process.stdout.readline().split(" ", 2)
    with pytest.raises(RunLockedError):
        RunLock(tmp_path, "default").acquire()
    process.communicate()
    assert (status, held, json.loads(text)["run_id"]) == ("0", "True", "r")
    assert (tmp_path / "other").read_text() == "kept"
    assert [p.name for p in (tmp_path / ".lakehouse/runs").glob("*.jsonl")] == ["20260101-000000-abcd.jsonl"]
