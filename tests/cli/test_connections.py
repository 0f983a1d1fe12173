"""Connections to a database, as its server sees them: none is left by a command or by a call of the Python API."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lakehouse_cli import Project
from tests.cli.running import until
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PostgreSQL


@pytest.fixture
def connected(project: ProjectFolder, postgresql_server: PostgreSQL) -> Iterator[Callable[[], int]]:
    """A project in a database; counts the connections to it."""
    name = postgresql_server.new_database()
    storage = f"{{root: '{postgresql_server.url(name)}'}}"
    project.edit("lakehouse.yaml", "tables:\n", f"storages:\n  default: {storage}\ntables:\n")
    postgresql_server.run("CREATE TABLE orders (customer text, amount bigint)", name)
    postgresql_server.run("INSERT INTO orders VALUES ('007', 5), ('008', 2)", name)
    yield lambda: int(postgresql_server.run(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")[0][0])
    postgresql_server.run(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["run"], 0),
        (["run", "--executor", "serial"], 0),
        (["run", "--executor", "processes"], 0),
        (["plan"], 0),
        (["ls", "--select", "state:modified"], 0),
        (["diff"], 1),
        (["show", "orders"], 0),
        (["sql", "select * from orders"], 0),
        (["clean", "--dry-run"], 0),
        (["show", "totals"], 1),
    ],
    ids=str,
)
def test_command_leaves_no_connection(connected: Callable[[], int], cli: Cli, argv: list[str], code: int) -> None:
    assert cli(*argv).code == code
    until(lambda: connected() == 0, "the end of its connections")


@pytest.mark.parametrize(
    ("statement", "code"), [("raise ValueError", 1), ("import signal; signal.raise_signal(signal.SIGINT)", 130)]
)
def test_run_that_ends_early_leaves_no_connection(
    connected: Callable[[], int], project: ProjectFolder, cli: Cli, statement: str, code: int
) -> None:
    project.edit("transforms.py", "    return orders", f"    {statement}\n    return orders")
    assert cli("run").code == code
    until(lambda: connected() == 0, "the end of its connections")


def test_project_leaves_no_connection(connected: Callable[[], int]) -> None:
    project = Project.load()
    for call in (project.plan, project.run, lambda: project.read("best"), project.leftovers, project.clean):
        call()
        until(lambda: connected() == 0, "the end of its connections")
    assert project.read("best").to_dict("list") == {"customer": ["007"], "total": [5]}
