"""Processes that begin with the command line loaded: copies of one that has loaded it, and does nothing else.

To load it takes a command four fifths of its time. From its start on, such a process is like any that runs Python: it
has the arguments, folder, variables, streams and session that were asked for, and is a child of who asked. Where it is
the loading that is tested, or what Python does before, start Python itself.
"""

from __future__ import annotations

import atexit
import ctypes
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
import time
from pathlib import Path
from typing import Any

_LOADED = (
    "lakehouse_cli.cli.diff",
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
    "lakehouse_cli.transforms.call",
)
_PROGRAM = "from tests.cli.preloaded import serve; exec(serve({}))"
_SUBREAPER = 36  # of prctl(2): who adopts processes whose parents have ended
_LONGEST = 1 << 17


class Preloaded(subprocess.Popen[Any]):
    """`subprocess.Popen` of `[sys.executable, "-c" or "-m", code or module, ...]`; Python itself but on Linux."""

    if sys.platform == "linux":

        def _execute_child(  # type: ignore[override]
            self,
            args: list[Any],
            executable: Any,
            preexec_fn: Any,
            close_fds: bool,
            pass_fds: Any,
            cwd: Any,
            env: Any,
            startupinfo: Any,
            creationflags: Any,
            shell: Any,
            p2cread: int,
            p2cwrite: int,
            c2pread: int,
            c2pwrite: int,
            errread: int,
            errwrite: int,
            restore_signals: bool,
            gid: Any,
            gids: Any,
            uid: Any,
            umask: Any,
            start_new_session: bool,
            process_group: int,
        ) -> None:
            asked = {
                "leader": os.getpid(),
                "args": [os.fspath(each) for each in args[1:]],
                "folder": os.fspath(cwd or Path.cwd()),
                "environ": dict(os.environ if env is None else env),
                "session": start_new_session,
            }
            streams = [end if end != -1 else own for own, end in enumerate((p2cread, c2pwrite, errwrite))]
            try:
                self.pid = _begin(json.dumps(asked).encode(), streams)
            finally:
                self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)
            self._child_created = True


def run(
    args: list[Any], *, timeout: float = 60, check: bool = False, capture_output: bool = False, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run` of such a process."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Preloaded(args, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def _begin(asked: bytes, streams: list[int]) -> int:
    """Have the loaded process copy itself; returns the number of the copy, which is a child of this process."""
    line, adopt = _server(os.getpid()), ctypes.CDLL(None).prctl
    adopt(_SUBREAPER, 1, 0, 0, 0)
    try:
        socket.send_fds(line, [asked], streams)
        return int(line.recv(100))
    finally:
        adopt(_SUBREAPER, 0, 0, 0, 0)


@functools.cache
def _server(process: int) -> socket.socket:
    """The line to this process's own loaded one, which ends when the line does."""
    del process
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-c", _PROGRAM.format(theirs.fileno())]
        server = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


def serve(descriptor: int) -> Any:
    """Load the command line, then begin a process for each that is asked for; returns, in that, the code to run."""
    with socket.socket(fileno=descriptor) as line:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who types it means others
        for name in _LOADED:
            importlib.import_module(name)
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]
        gc.collect()
        gc.freeze()
        while True:
            message, streams, *_ = socket.recv_fds(line, _LONGEST, 3)
            if not message:
                os._exit(0)
            if between := os.fork():
                os.waitpid(between, 0)
                for stream in streams:
                    os.close(stream)
            elif os.fork():
                os._exit(0)  # so that the one that asked adopts the other
            else:
                break
        asked = json.loads(message)
        while os.getppid() != asked["leader"]:
            time.sleep(0.0005)
        code = _become(asked, streams)
        line.send(str(os.getpid()).encode())
    return code


def _become(asked: dict[str, Any], streams: list[int]) -> Any:
    """Make this process what was asked for; returns the code to run."""
    for own, stream in enumerate(streams):
        os.dup2(stream, own)
        os.close(stream)
    if asked["session"]:
        os.setsid()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding=sys.stdin.encoding, closefd=False)
    sys.stdout = sys.__stdout__ = _writing(1, "<stdout>", sys.stdout, unbuffered)
    sys.stderr = sys.__stderr__ = _writing(2, "<stderr>", sys.stderr, unbuffered)
    kind, code, *rest = asked["args"]
    sys.argv[:] = [kind, *rest]
    if kind == "-m":
        sys.path[0] = str(Path.cwd())
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
