"""One run at a time: the second is refused and shown the holder, and nothing stays locked."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.runs.lock import Holder, RunLockedError, lock_file, run_lock
from tests.cli.running import until

HOLDS = """
import os, sys, time
from pathlib import Path
from lakehouse_cli.runs.lock import run_lock
lock = run_lock(Path(sys.argv[1]), "default", run_id="20260101-000000-abcd")
lock.__enter__()
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
    """The holder, as reported to the next run."""
    with pytest.raises(RunLockedError) as caught, run_lock(folder, "default"):
        pass
    return caught.value.holder


def is_free(folder: Path) -> bool:
    """Whether the lock can be taken; takes and releases it."""
    with suppress(RunLockedError), run_lock(folder, "default") as trouble:
        return trouble is None
    return False


def test_second_run_is_refused_with_the_holder(tmp_path: Path) -> None:
    process, _ = holding(tmp_path)
    try:
        with pytest.raises(RunLockedError) as caught, run_lock(tmp_path, "default"):
            pass
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


def test_lock_of_a_killed_run_is_free_despite_a_worker(tmp_path: Path) -> None:
    process, child = holding(tmp_path, "fork")
    try:
        process.kill()
        process.wait()
        assert is_free(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)


def test_waiting_ends_when_the_holder_does(tmp_path: Path) -> None:
    process, _ = holding(tmp_path)
    reported: list[Holder | None] = []

    def end(holder: Holder | None) -> None:
        reported.append(holder)
        threading.Timer(0.2, kill).start()

    def kill() -> None:
        killed.set()
        process.kill()

    killed = threading.Event()
    with run_lock(tmp_path, "default", wait=True, on_wait=end) as trouble:
        assert killed.is_set()
        process.wait()
        assert trouble is None
        assert not is_free(tmp_path)
    assert [holder.pid for holder in reported if holder] == [process.pid]


def sleeps(process: int) -> bool:
    """Whether a process waits in a call of the system's."""
    state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "S"


def test_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    process, _ = holding(tmp_path)
    waits = "import sys; from pathlib import Path; from lakehouse_cli.runs.lock import run_lock\n"
    waits += (
        "try:\n    with run_lock(Path(sys.argv[1]), 'default', wait=True, on_wait=lambda h: print('w', flush=True)):"
    )
    waits += "\n        pass"
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


def fail_within(folder: Path) -> None:
    with run_lock(folder, "default"):
        raise LakehouseError("boom")


def test_it_is_free_again_after_release_and_after_an_error(tmp_path: Path) -> None:
    with run_lock(tmp_path, "default"):
        assert not is_free(tmp_path)
    assert is_free(tmp_path)
    with pytest.raises(LakehouseError, match="boom"):
        fail_within(tmp_path)
    assert is_free(tmp_path)


def test_environments_do_not_keep_each_other_out(tmp_path: Path) -> None:
    with run_lock(tmp_path, "default") as one, run_lock(tmp_path, "../x/prod") as two:
        assert (one, two) == (None, None)
        file = lock_file(tmp_path, "../x/prod")
        assert file.parent == tmp_path / ".lakehouse/locks"
        assert file.exists()


@pytest.mark.parametrize("text", ["", "garbage", "[]", '{"pid": "x"}', '{"pid": 1, "host": "h", "since": "never"}'])
def test_what_a_dead_process_wrote_blocks_nobody(tmp_path: Path, text: str) -> None:
    file = lock_file(tmp_path, "default")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with run_lock(tmp_path, "default", run_id="r"):
        holder = holder_of(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()
        file.write_text(text)
        with pytest.raises(RunLockedError, match=r"^another run holds `default` "), run_lock(tmp_path, "default"):
            pass


def test_ended_process_is_not_named_as_holder(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    document = {"pid": gone.pid, "host": socket.gethostname(), "since": "2026-01-01T00:00:00+00:00", "run_id": None}
    with run_lock(tmp_path, "default"):
        lock_file(tmp_path, "default").write_text(json.dumps(document))
        assert holder_of(tmp_path) is None
        lock_file(tmp_path, "default").write_text(json.dumps(document | {"host": "elsewhere"}))
        assert str(holder_of(tmp_path)).startswith(f"pid {gone.pid} on elsewhere since 202")


@pytest.mark.parametrize(
    ("in_the_way", "cause"),
    [
        (".lakehouse", "`.lakehouse` is not a folder"),
        (".lakehouse/locks", "`.lakehouse/locks` is not a folder"),
        (".lakehouse/locks/default.lock", "it is a symbolic link, and none is followed here"),
    ],
)
def test_failed_lock_names_what_is_in_the_way(tmp_path: Path, in_the_way: str, cause: str) -> None:
    (tmp_path / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / in_the_way).symlink_to(tmp_path / "nowhere")
    reported = rf"\.lakehouse/locks/default\.lock cannot be locked: {re.escape(cause)}"
    with pytest.raises(LakehouseError, match=reported), run_lock(tmp_path, "default"):
        pass
    if not cause.startswith("it is"):
        (tmp_path / in_the_way).unlink()
        (tmp_path / in_the_way).write_text("in the way")
        with pytest.raises(LakehouseError, match=reported), run_lock(tmp_path, "default"):
            pass


def test_file_system_without_locks_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", without_locks)
    with run_lock(tmp_path, "default") as trouble:
        assert trouble == "locks do not work in .lakehouse/locks (operation not supported)"


def test_full_disk_is_noted_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_room(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.open", without_room)
        with run_lock(tmp_path, "default") as trouble:
            pass
    assert trouble == "locks do not work in .lakehouse/locks (no space left on device)"


NO_FILE_GROWS = """
import resource, sys
from pathlib import Path
from lakehouse_cli.runs.lock import run_lock
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with run_lock(Path(sys.argv[1]), "default") as trouble:
    sys.exit(trouble)
"""


def test_gitignore_of_locks_is_written_later_if_disk_full(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", NO_FILE_GROWS, str(tmp_path)], check=True)
    folder = tmp_path / ".lakehouse/locks"
    assert [path.name for path in folder.iterdir()] == ["default.lock"]
    ignored = folder / ".gitignore"
    for left in ("", None):  # as an older version left it
        if left is not None:
            ignored.write_text(left)
        with run_lock(tmp_path, "default"):
            pass
        assert ignored.read_text() == "*\n"
        ignored.unlink()


FORKS = """
import os, sys
from pathlib import Path
from lakehouse_cli.runs.history.writing import HistoryWriter
from lakehouse_cli.runs.events import RunStarted
from lakehouse_cli.runs.lock import lock_file, run_lock
folder = Path(sys.argv[1])
lock, writer = run_lock(folder, "default", run_id="r"), HistoryWriter(folder)
lock.__enter__()
writer.handle(RunStarted("20260101-000000-abcd", "shop", "default", ()))
child = os.fork()
if child == 0:
    # These take the numbers that the descriptors of lock and history had.
    files = [os.open(folder / "other", os.O_RDWR) for _ in range(20)]
    lock.__exit__(None, None, None)
    writer.handle(RunStarted("20260101-000001-abcd", "shop", "default", ()))
    writer.close()
    for file in files:
        os.fstat(file)
    os._exit(0)
status = os.waitpid(child, 0)[1]
print(status, lock_file(folder, "default").read_text(), flush=True)
sys.stdin.read()
"""


def test_forked_process_leaves_lock_and_files_alone(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    status, text = process.stdout.readline().split(" ", 1)
    assert not is_free(tmp_path)
    process.communicate()
    assert (status, json.loads(text)["run_id"]) == ("0", "r")
    assert (tmp_path / "other").read_text() == "kept"
    assert [p.name for p in (tmp_path / ".lakehouse/runs").glob("*.jsonl")] == ["20260101-000000-abcd.jsonl"]
