"""What tests share: a project written into a folder, and the command line driven through its argv."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from lakehouse_cli.cli.main import invoke
from lakehouse_cli.executors import start_methods
from tests.preloaded import subprocess_module
from tests.servers import postgresql
from tests.servers.azure import azure_server
from tests.servers.gcs import gcs_server
from tests.servers.s3 import own_s3_server, s3_server

__all__ = ["azure_server", "gcs_server", "own_s3_server", "s3_server"]

# Packages of their own, tested where they are installed.
collect_ignore = ["distributions"]

# How long an example takes is for the machine to say.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_configure() -> None:
    """Heed Ctrl-C, which a shell has its background jobs ignore: commands that tests start would ignore it, too."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what needs a server out of `make test-quick`."""
    servers = {"azure_server", "gcs_server", "own_s3_server", "postgresql_server", "s3_server"}
    for item in items:
        if not servers.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@dataclass(frozen=True)
class Invoked:
    """What a user saw of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON document it must be."""
        return json.loads(self.out)

    @property
    def statuses(self) -> dict[str, str]:
        """How each table ended, by its name."""
        return {table["name"]: table["status"] for table in self.json["tables"]}


#: The fixture `cli`.
Cli = Callable[..., Invoked]


@dataclass(frozen=True)
class ProjectFolder:
    """A project's folder under a temporary one."""

    path: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project, its text dedented."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return file

    def declare(self, tables: str, code: str | None = None, *, top: str = "") -> None:
        """Declare tables, in block or in flow style, below other keys, and write their transforms."""
        text = textwrap.dedent(tables).strip("\n")
        declared = f" {text}" if text.startswith("{") else "\n" + textwrap.indent(text, "  ")
        self.write("lakehouse.yaml", f"name: declared\nmodule: transforms\n{top}tables:{declared}\n")
        if code is not None:
            self.write("transforms.py", code)

    def edit(self, name: str, old: str, new: str, count: int = -1) -> None:
        """Replace a text that a file has, everywhere or so many times."""
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new, count))

    def add(self, name: str, text: str) -> None:
        """Write a text behind that of a file."""
        self.write(name, self.read(name) + text)

    def read(self, name: str) -> str:
        """The text of a file, newlines as they are."""
        return (self.path / name).read_bytes().decode()

    def files(self) -> list[str]:
        """Every file under ``data``, our own folder left out."""
        root = self.path / "data"
        return sorted(
            p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and ".lakehouse" not in p.parts
        )


#: Waits until a file is on disk.
sync = os.fsync


@pytest.fixture(scope="session", autouse=True)
def _unsynced() -> Iterator[None]:
    """Whether files are on disk is seen only when the machine ends; waiting for it takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _preloaded_workers() -> Iterator[None]:
    """Runs within a test's process start theirs anew, for it has threads: each would load all that a run needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start_methods, "subprocess", subprocess_module())
        yield


@pytest.fixture(autouse=True)
def _search_path() -> Iterator[None]:
    """Where modules are found: a project that a test has imported from is not there for the next."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """An empty folder that is the current one."""
    path = tmp_path / "project"
    path.mkdir()
    monkeypatch.chdir(path)
    return ProjectFolder(path)


@pytest.fixture
def project(folder: ProjectFolder) -> ProjectFolder:
    """A small valid project: a source of orders, totals by customer, and the best of them."""
    folder.write(
        "lakehouse.yaml",
        """
        name: small
        module: transforms
        tables:
          orders:
            kind: source
            columns: {customer: string, amount: int64}
          totals:
            columns:
              customer: string
              total: {type: int64, nullable: false}
            key: [customer]
            tags: [report]
          best:
            columns: {customer: string, total: int64}
            params: {count: 1}
            tags: [report, short]
        """,
    )
    folder.write(
        "transforms.py",
        """
        import pandas as pd


        def totals(orders: pd.DataFrame) -> pd.DataFrame:
            return orders.groupby("customer").agg(total=("amount", "sum"))


        def best(totals, count):
            return totals.nlargest(count, "total")
        """,
    )
    folder.write("data/orders.csv", "customer,amount\n007,5\n008,2\n007,1\n")
    return folder


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `lakehouse` with these arguments, in this process."""

    def run(*argv: str) -> Invoked:
        capsys.readouterr()
        code = invoke(argv)
        captured = capsys.readouterr()
        return Invoked(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest) -> Iterator[postgresql.PostgreSQL]:
    """A server of this test process; tests that need one are skipped where it is not installed."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "master")
    with postgresql.running(postgresql.worker_number(worker)) as server:
        yield server


@pytest.fixture
def postgresql_database(postgresql_server: postgresql.PostgreSQL) -> Iterator[str]:
    """A database of a test's own, with nothing in it."""
    with postgresql_server.database() as name:
        yield name
