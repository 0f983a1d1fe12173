"""The Spark session of a run: begun when a transform first asks for it, shared by all, and ended with the run.

Each run loads this module, and few begin a session: what takes time to load is loaded where it is needed.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import TransformError
from lakehouse_cli.model.project import SparkSpec
from lakehouse_cli.registry import install_command
from lakehouse_cli.text.redaction import names_a_secret

#: Of every session, over whatever is configured: instants come and go as they are.
ALWAYS = {"spark.sql.session.timeZone": "UTC"}
# Where nothing else is configured.
_QUIET = {
    "spark.app.name": "lakehouse",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.maxResultSize": "0",
    # Java would send itself larger results of a task through a socket.
    "spark.task.maxDirectResultSize": "128m",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# The same, of sessions beside another too.
_IN_PIECES = {"spark.sql.execution.arrow.maxRecordsPerBatch": "65536"}
_PART, _PART_SIZE = "spark.sql.files.maxPartitionBytes", "32m"
_JAVA = (
    "install a Java runtime, 17 or newer (`apt-get install openjdk-17-jre-headless`), or name a server of Spark Connect"
)
_HINT = f'{_JAVA}: `execution: {{spark: {{remote: "sc://…"}}}}`'
# Variables that make of every session one at a server.
_CONNECTED = frozenset(("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE"))
# Seconds within which a server takes a connection.
_PATIENCE = 10.0
# Seconds within which Java ends by itself.
_END_WITHIN = 10.0


class _State(Struct):
    """What holds for the process."""

    spec: SparkSpec = SparkSpec()
    folder: Path | None = None
    is_worker: bool = False
    session: Any = None
    stop: Callable[[], None] | None = None
    small_parts: int = 0  # calls under way of the function of that name


_state = _State()
_lock = threading.RLock()


def use_in_worker(spec: SparkSpec, folder: Path) -> None:
    """Have a worker process begin a session of its own; only a server serves several."""
    _state.spec, _state.folder, _state.is_worker = spec, folder, True


@contextmanager
def spark_of_run(spec: SparkSpec, folder: Path | None = None) -> Iterator[None]:
    """Have sessions be as declared, and end the one that was begun.

    Args:
        spec: The session.
        folder: The project's, in which functions that Spark calls in other processes are found.
    """
    before = _state.spec, _state.folder, _state.session, _state.stop
    _state.spec, _state.folder, _state.session, _state.stop = spec, folder, None, None
    try:
        yield
    finally:
        end_session()
        _state.spec, _state.folder, _state.session, _state.stop = before


def end_session() -> None:
    """End the session, if there is one that was begun here."""
    with _lock:
        stop, _state.session, _state.stop = _state.stop, None, None
    if stop is not None:
        stop()


def is_local() -> bool:
    """Whether the session is one of Java's Spark on this machine, which sees its files."""
    session = spark_session()
    return hasattr(session, "_jsparkSession") and session.sparkContext.master.startswith("local")


def spark_session() -> Any:
    """The session of the run, begun if there is none.

    Raises:
        TransformError: It cannot be begun; says what is missing.
    """
    import logging
    import warnings

    with _lock:
        if _state.session is None:
            begin = _local if _state.spec.remote is None else _remote
            # It says so of every version of pandas that lakehouse takes, and of nothing that is used here.
            warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
            _state.session, _state.stop = begin(_state.spec)
            # Each error of a query would be on stderr as well, as JSON with the stack of Java.
            logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
        return _state.session


@contextmanager
def small_parts() -> Iterator[None]:
    """Have Java's Spark divide files into small parts as plans begin meanwhile, unless a size is configured."""
    session = spark_session()
    with _lock:
        sets = _state.small_parts > 0 or not session._jsparkSession.conf().contains(_PART)
        _state.small_parts += sets
        if sets:
            session.conf.set(_PART, _PART_SIZE)
    try:
        yield
    finally:
        with _lock:
            _state.small_parts -= sets
            if sets and _state.small_parts == 0:
                session.conf.unset(_PART)


def send_functions() -> None:
    """Have functions of the project's modules go to Spark's processes whole, which could not import them."""
    from pyspark.cloudpickle import register_pickle_by_value

    folder = None if _state.folder is None else f"{_state.folder}{os.sep}"
    for module in list(sys.modules.values()) if folder is not None else ():
        file = getattr(module, "__file__", None)
        if file is not None and file.startswith(folder) and "site-packages" not in file:
            register_pickle_by_value(module)


def _configured(session: Any, spec: SparkSpec) -> Any:
    for name, value in {**spec.config, **ALWAYS}.items():
        try:
            session.conf.set(name, value)
        except Exception as error:
            reason = str(error).splitlines()[0]
            hint = "set it where the server is started, and remove it here"
            raise TransformError(
                f"Spark does not take `{name}`: {reason}", hint=hint, location=spec.location
            ) from error
    return session


def _remote(spec: SparkSpec) -> tuple[Any, Callable[[], None]]:
    from importlib import import_module
    from urllib.parse import urlsplit

    url = spec.remote or ""
    shown = f"sc://{urlsplit(url).netloc.rpartition('@')[2]}"
    try:
        import_module("pyspark.sql.connect.session")
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise TransformError(f"Spark Connect cannot be used: {reason}", hint=install_command("pyspark")) from error
    try:
        _reach(url)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        hint = "start it, or correct `execution.spark.remote`"
        raise TransformError(
            f"no server of Spark Connect answers at {shown}: {reason}", hint=hint, location=spec.location
        ) from error
    from pyspark.sql import SparkSession

    had = "SPARK_CONNECT_MODE_ENABLED" in os.environ

    def restore() -> None:
        if not had:
            os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)

    try:
        session = SparkSession.builder.remote(url).create()
    except Exception as error:
        restore()
        reason = str(error).splitlines()[0]
        raise TransformError(f"no session at {shown}: {reason}", location=spec.location) from error

    def stop() -> None:
        with suppress(Exception):  # the server may have gone
            session.stop()
        restore()

    try:
        return _configured(session, spec), stop
    except TransformError:
        stop()
        raise


def _reach(url: str) -> None:
    """Connect to a server as its client will, which would try it again for minutes.

    Raises:
        OSError: It does not answer, or not in TLS where the URL asks for that.
        ValueError: The URL has no port that is a number.
    """
    import socket
    import ssl
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    options = dict(each.partition("=")[::2] for each in parts.path.strip("/;").split(";"))
    with socket.create_connection((host, parts.port or 15002), _PATIENCE) as connection:
        if options.get("use_ssl", "false").lower() == "true" or (options.get("token") and host != "localhost"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the client verifies
            context.wrap_socket(connection, server_hostname=host).close()


def _local(spec: SparkSpec) -> tuple[Any, Callable[[], None] | None]:
    import shutil
    import tempfile

    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if _state.is_worker:
        raise TransformError(
            f"Spark on `{spec.master}` belongs to one process",
            hint='run with `--executor threads`, or name a server: `execution: {spark: {remote: "sc://…"}}`',
        )
    if _CONNECTED & os.environ.keys():
        raise TransformError(
            "this process uses Spark through a server of Spark Connect",
            hint='name the server, `execution: {spark: {remote: "sc://…"}}`, or unset the variable `SPARK_REMOTE`',
        )
    if SparkContext._active_spark_context is not None:  # the user's, as in a notebook
        session = SparkSession.builder.getOrCreate().newSession()
        known = session.sparkContext.getConf()
        own = {name: value for name, value in _IN_PIECES.items() if not known.contains(name)}
        return _configured(session, replace(spec, config={**own, **spec.config})), None
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java") is None and not (home and (Path(home) / "bin" / "java").exists()):
        raise TransformError("Spark needs Java, which is not installed", hint=_HINT)
    from pyspark.java_gateway import launch_gateway

    conf, shown = SparkConf(), SparkConf()
    python = {f"spark.pyspark.{name}": sys.executable for name in ("python", "driver.python")}
    for name, value in {**_QUIET, **_IN_PIECES, **python, **spec.config, **ALWAYS, "spark.master": spec.master}.items():
        conf.set(name, value)
        if not names_a_secret(name):  # what Java is started with, everybody on this machine can see
            shown.set(name, value)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # What Java says goes nowhere but here: it says much, and on stderr.
    log = tempfile.TemporaryFile(prefix="lakehouse-spill-")  # noqa: SIM115  # closed as the session ends
    gateway = None
    try:
        gateway = launch_gateway(shown, {"stdout": log, "stderr": log})
        session = SparkSession(SparkContext(conf=conf, gateway=gateway))
    except Exception as error:
        log.seek(0)
        said = log.read().decode(errors="replace")
        _end_java(SparkContext, gateway)
        log.close()
        raise TransformError(
            f"Spark cannot be started on `{spec.master}`: {_cause(said) or str(error).splitlines()[0]}",
            hint="correct `execution.spark`; Spark 4 needs Java 17 or newer",
            location=spec.location,
        ) from error

    def stop() -> None:
        with suppress(Exception):  # jobs may be under way
            session.stop()
        _end_java(SparkContext, gateway)
        log.close()

    return session, stop


def _end_java(context: Any, gateway: Any) -> None:
    """End the process of Java, which would else live as long as this one."""
    context._gateway = context._jvm = None
    if gateway is None:
        return
    with suppress(Exception):
        gateway.shutdown()
    process = gateway.proc
    process.stdin.close()
    try:
        process.wait(_END_WITHIN)
    except Exception:  # noqa: BLE001  # it is ended, whatever keeps it
        process.kill()
        process.wait()


def _cause(said: str) -> str | None:
    """The line of Java's output that names the cause."""
    lines = [line.strip() for line in said.splitlines()]
    causes = [line for line in lines if "Exception" in line or "rror:" in line]
    return causes[-1] if causes else None
