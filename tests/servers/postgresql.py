"""A PostgreSQL server for tests: a throwaway cluster on a port of the loopback, run by an unprivileged user."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import hmac
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest

INSTALL = "PostgreSQL's server is not installed: `apt-get install postgresql` (or put its `bin` on PATH)"
USER, PASSWORD = "warehouse_owner", "s3cret/p@ss"
#: Its own, so that servers of tests and of people do not meet; one for each worker of pytest-xdist, and for a few
#: checkouts that are tested at the same time.
PORT, WORKERS, CHECKOUTS = 54_710, 20, 5
_names = count()
#: Leaves of a database what a new one has; what can be dropped with no schema is refused by `PostgreSQL.database`.
EMPTY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT quote_ident(pubname) FROM pg_publication LOOP
            EXECUTE 'DROP PUBLICATION ' || name;
        END LOOP;
        FOR name IN SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$' LOOP
            EXECUTE 'DROP SCHEMA ' || name || ' CASCADE';
        END LOOP;
    END $$;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_proc WHERE oid >= 16384)
        + (SELECT count(*) FROM pg_type WHERE oid >= 16384) + (SELECT count(*) FROM pg_default_acl)
        + (SELECT count(*) FROM pg_extension WHERE oid >= 16384) + (SELECT count(*) FROM pg_event_trigger)
        + (SELECT count(*) FROM pg_largeobject_metadata) + (SELECT count(*) FROM pg_db_role_setting) AS left_over
"""


@dataclass
class PostgreSQL:
    """A running server.

    Attributes:
        port: On 127.0.0.1.
        folder: Where its cluster lives.
        process: The server's first process.
    """

    port: int
    folder: Path
    binaries: Path
    prefix: Sequence[str]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    emptied: list[str] = field(default_factory=list, repr=False)

    def url(self, database: str = "postgres", *, password: str = PASSWORD, port: int | None = None) -> str:
        """A URL as a project file has it."""
        return f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        argv = [str(self.binaries / "postgres"), "-D", str(self.folder / "cluster"), "-p", str(self.port)]
        argv += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"]
        # Durable or tidy it need not be: it is thrown away, with a database for each test that asks for one.
        argv += ["-c", "fsync=off", "-c", "autovacuum=off", "-c", "max_connections=200", "-c", "shared_buffers=32MB"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*self.prefix, *argv], stdout=log, stderr=log, cwd=self.folder)
        limit = time.monotonic() + 30
        ready = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < limit, "the server does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it as a power failure would: connections break, nothing is waited for."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                # What it started is ended by itself on this signal.
                os.kill(self._server_pid(), signal.SIGQUIT)
            self.process.wait(30)
            self.process = None

    def _server_pid(self) -> int:
        return int((self.folder / "cluster" / "postmaster.pid").read_text().splitlines()[0])

    def run(self, statement: str, database: str = "postgres") -> list[tuple[str, ...]]:
        """Run SQL by the server's own library, unknown to the code under test; rows as texts, null as an empty one."""
        with self.asking(database) as ask:
            return ask(statement)

    @contextmanager
    def asking(self, database: str) -> Iterator[Callable[[str], list[tuple[str, ...]]]]:
        """A client that stays, for what must be asked on one connection; answers with all rows."""
        library = _library()
        # It would print notices.
        url = f"{self.url(quote(database, safe=''))}?options=-cclient_min_messages%3Derror"
        connection = library.PQconnectdb(url.encode())
        try:

            def ask(statement: str) -> list[tuple[str, ...]]:
                assert library.PQsendQuery(connection, statement.encode()), library.PQerrorMessage(connection).decode()
                rows: list[tuple[str, ...]] = []
                problem = ""
                while result := library.PQgetResult(connection):
                    problem = problem or library.PQresultErrorMessage(result).decode()
                    width = range(library.PQnfields(result))
                    rows += (
                        tuple(library.PQgetvalue(result, row, column).decode() for column in width)
                        for row in range(library.PQntuples(result))
                    )
                    library.PQclear(result)
                assert not problem, problem
                return rows

            yield ask
        finally:
            library.PQfinish(connection)

    @contextmanager
    def database(self) -> Iterator[str]:
        """An empty database for the block; emptied and lent again, which is half the work of making another."""
        name = self.emptied.pop() if self.emptied else self.new_database()
        yield name
        if self.run(EMPTY, name)[-1] == ("0",):
            self.emptied.append(name)

    def new_database(self) -> str:
        """An empty database of its own; returns its name."""
        name = f"test_{os.getpid()}_{next(_names)}"
        # Copying files is half the work of logging each page, which is the default since PostgreSQL 15.
        self.run(f'CREATE DATABASE "{name}" TEMPLATE template0 STRATEGY file_copy')
        return name


@cache
def _library() -> ctypes.CDLL:
    """The library of `psql`: to start that program for each statement takes ten times as long."""
    library = ctypes.CDLL("libpq.so.5")
    for name in ("PQconnectdb", "PQgetResult"):
        getattr(library, name).restype = ctypes.c_void_p
    for name in ("PQerrorMessage", "PQresultErrorMessage", "PQgetvalue"):
        getattr(library, name).restype = ctypes.c_char_p
    of_connection = ("PQsendQuery", "PQgetResult", "PQerrorMessage", "PQfinish")
    for name in (*of_connection, "PQresultErrorMessage", "PQnfields", "PQntuples", "PQclear"):
        getattr(library, name).argtypes = [ctypes.c_void_p, *([ctypes.c_char_p] if name == "PQsendQuery" else [])]
    library.PQgetvalue.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    return library


def find_binaries() -> Path | None:
    """The folder of the server's programs; Debian keeps them off PATH."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def running(worker: int = 0) -> Iterator[PostgreSQL]:
    """A server while the block runs.

    Args:
        worker: Number of the test process, which decides the port.
    """
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(INSTALL)
    with tempfile.TemporaryDirectory(prefix="lakehouse-postgresql-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        prefix: list[str] = []
        if os.getuid() == 0:
            # The server refuses to be run by root.
            user = next(u for u in ("postgres", "nobody") if _is_user(u))
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            prefix = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        initdb = [str(binaries / "initdb"), "-D", str(folder / "cluster"), "-U", USER, "-A", "scram-sha-256"]
        initdb += [f"--pwfile={password}", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run([*prefix, *initdb], check=True, capture_output=True, cwd=folder)
        server = _started([PORT + worker + WORKERS * turn for turn in range(CHECKOUTS)], folder, binaries, prefix)
        server.run(f"ALTER ROLE {USER} PASSWORD '{_hashed(PASSWORD)}'")
        try:
            yield server
        finally:
            server.stop()


def _hashed(password: str) -> str:
    """A password as the server keeps it, hashed once instead of 4,096 times for each connection."""
    salt = b"a salt of tests."
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    texts = [base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client).digest(), server)]
    return "SCRAM-SHA-256$1:{}${}:{}".format(*texts)


def _started(ports: Sequence[int], folder: Path, binaries: Path, prefix: Sequence[str]) -> PostgreSQL:
    """A server on the first of some ports that is free."""
    for port in ports[:-1]:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        server = PostgreSQL(port, folder, binaries, prefix)
        try:
            server.start()
        except AssertionError:
            if "Address already in use" not in (folder / "log").read_text():
                raise
        else:
            return server
    server = PostgreSQL(ports[-1], folder, binaries, prefix)
    server.start()
    return server


def _is_user(name: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def worker_number(worker_id: str) -> int:
    """Of pytest-xdist's ``worker_id``: 0 for ``gw0`` and for ``master``."""
    digits = worker_id.removeprefix("gw")
    return int(digits) if digits.isdigit() else 0
