"""Processes that begin with the command line loaded: copies of one that has loaded it, and does nothing else.

To load it takes a command four fifths of its time. From its start on, such a process is like any that runs Python: it
has the arguments, folder, variables, streams and session that were asked for, and is a child of who asked. Where it is
the loading that is tested, or what Python does before, start Python itself.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import functools
import gc
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_LOADED = (
    "lakehouse_cli.cli.commands",
    "lakehouse_cli.cli.diff",
    "lakehouse_cli.cli.main",
    "lakehouse_cli.cli.plan",
    "lakehouse_cli.cli.run",
    "lakehouse_cli.executors.processes",
    "lakehouse_cli.executors.serial",
    "lakehouse_cli.executors.threads",
    "lakehouse_cli.formats.csv.read",
    "lakehouse_cli.formats.csv.write",
    "lakehouse_cli.project.execution",
    "lakehouse_cli.project.facade",
    "lakehouse_cli.rendering.reporters.live",
    "lakehouse_cli.rendering.reporters.log_json",
    "lakehouse_cli.rendering.reporters.run_text",
    "lakehouse_cli.runner.materializing",
    "lakehouse_cli.runner.run_jobs",
    "lakehouse_cli.storage.local.storage",
    "lakehouse_cli.transforms.arrow_frame",
    "lakehouse_cli.transforms.call",
)
# Which loads pandas.
_FRAMES = "lakehouse_cli.transforms.pandas_frame"
_PROGRAM = "from tests.preloaded import serve; exec(serve({}, {}))"
_SUBREAPER = 36  # of prctl(2): who adopts processes whose parents have ended
_LONGEST = 1 << 17
# From here on a loaded process has its own descriptors, apart from those that others ask for.
_OWN = 500
_one_at_a_time = threading.Lock()


class Preloaded(subprocess.Popen[Any]):
    """`subprocess.Popen` of Python with `-c` or `-m`, with `-P` before it or not; Python itself but on Linux."""

    #: Whether they begin with pandas, too.
    frames = True

    if sys.platform == "linux":

        def _execute_child(self, args: list[Any], *others: Any) -> None:  # type: ignore[override]
            at = next(index for index, each in enumerate(args) if each in ("-c", "-m"))
            flags = args[1:at]
            if not all(each in ("-B", "-P") or each.startswith("-W") for each in flags):
                super()._execute_child(args, *others)  # type: ignore[misc]
                return
            _, _, _, pass_fds, cwd, env, _, _, _, *pipes, _, _, _, _, _, new_session, group = others
            reading, writing, errors = pipes[0], pipes[3], pipes[5]
            asked = {
                "leader": os.getpid(),
                "args": [os.fspath(each) for each in args[at:]],
                "safe_path": "-P" in flags,
                "keeps_no_bytecode": "-B" in flags,
                "warnings": [each[2:] for each in flags if each.startswith("-W")],
                "folder": os.fspath(cwd or Path.cwd()),
                "environ": dict(os.environ if env is None else env),
                "session": new_session,
                "group": group,
                "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
                "descriptors": [0, 1, 2, *pass_fds],
            }
            streams = [end if end != -1 else own for own, end in enumerate((reading, writing, errors))]
            try:
                self.pid = _begin(json.dumps(asked).encode(), [*streams, *pass_fds], self.frames)
            finally:
                self._close_pipe_fds(*pipes)
            self._child_created = True


class PreloadedWithoutPandas(Preloaded):
    """The same, where it is seen whether pandas is loaded."""

    frames = False


def subprocess_module() -> Any:
    """The module `subprocess`, for one that starts Python by it, with such processes."""
    return SimpleNamespace(**{**vars(subprocess), "Popen": Preloaded})


def run(
    args: list[Any],
    *,
    timeout: float = 60,
    check: bool = False,
    capture_output: bool = False,
    kind: type[Preloaded] = Preloaded,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run` of such a process."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with kind(args, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def _begin(asked: bytes, descriptors: list[int], frames: bool) -> int:
    """Have the loaded process copy itself; returns the number of the copy, which is a child of this process."""
    adopt = ctypes.CDLL(None).prctl
    with _one_at_a_time:
        line = _server(os.getpid(), frames)
        adopt(_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(line, [asked], descriptors)
            answer = line.recv(100)
            assert answer, "the loaded process has ended"
            return int(answer)
        finally:
            adopt(_SUBREAPER, 0, 0, 0, 0)


@functools.cache
def _server(process: int, frames: bool) -> socket.socket:
    """The line to this process's own loaded one, with pandas or without, which ends when the line does."""
    del process
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-c", _PROGRAM.format(theirs.fileno(), frames)]
        server = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


def serve(descriptor: int, frames: bool) -> Any:
    """Load the command line, then begin a process for each that is asked for; returns, in that, the code to run."""
    with socket.socket(fileno=_moved(descriptor)) as line:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who types it means others
        for name in (*_LOADED, _FRAMES) if frames else _LOADED:
            importlib.import_module(name)
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]
        gc.collect()
        gc.freeze()
        while True:
            message, descriptors, *_ = socket.recv_fds(line, _LONGEST, 20)
            if not message:
                os._exit(0)
            if between := os.fork():
                os.waitpid(between, 0)
                for each in descriptors:
                    os.close(each)
            elif os.fork():
                os._exit(0)  # so that the one that asked adopts the other
            else:
                break
        asked = json.loads(message)
        while os.getppid() != asked["leader"]:
            time.sleep(0.0005)
        code = _become(asked, descriptors)
        line.send(str(os.getpid()).encode())
    return code


def _moved(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OWN)
    os.close(descriptor)
    return moved


def _become(asked: dict[str, Any], descriptors: list[int]) -> Any:
    """Make this process what was asked for; returns the code to run."""
    for descriptor, wanted in zip([_moved(each) for each in descriptors], asked["descriptors"], strict=True):
        os.dup2(descriptor, wanted)
        os.close(descriptor)
    if asked["session"]:
        os.setsid()
    if asked["group"] >= 0:
        os.setpgid(0, asked["group"])
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    signal.pthread_sigmask(signal.SIG_SETMASK, asked["blocked"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding=sys.stdin.encoding, closefd=False)
    sys.stdout = sys.__stdout__ = _writing(1, "<stdout>", sys.stdout, unbuffered)
    sys.stderr = sys.__stderr__ = _writing(2, "<stderr>", sys.stderr, unbuffered)
    kind, code, *rest = asked["args"]
    sys.argv[:] = [kind, *rest]
    sys.dont_write_bytecode |= asked["keeps_no_bytecode"]
    sys.warnoptions += asked["warnings"]
    for option in asked["warnings"]:
        warnings._setoption(option)  # type: ignore[attr-defined]
    if asked["safe_path"]:
        del sys.path[0]
    elif kind == "-m":
        sys.path[0] = str(Path.cwd())
    if kind == "-m":
        code = f"from {code}.__main__ import main; main()"
    return compile(code, "<string>", "exec")


def _writing(descriptor: int, name: str, like: Any, unbuffered: bool) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w", closefd=False)
    raw.name = name
    at_once = unbuffered or descriptor == 2
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),  # type: ignore[arg-type]
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=at_once or raw.isatty(),
        write_through=unbuffered,
    )
