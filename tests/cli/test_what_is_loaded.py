"""The fast commands load nothing that is slow, and nothing of the user's. In processes of their own."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.cli.commands import NAMES
from lakehouse_cli.model import parse_column_type
from lakehouse_cli.testing.every_type import VALUES
from tests import preloaded
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PostgreSQL
from tests.servers.s3 import S3Server

#: Of a storage whose client needs Arrow.
FRAMES = {"pandas", "polars", "transforms"}
SLOW = {"pandas", "numpy", "pyarrow", "polars", "pydantic", "rich", "transforms", "asyncio", "dagster"}
#: What projects without partitions have no use for.
OF_PARTITIONS = {
    "lakehouse_cli.plan.partition_plan",
    "lakehouse_cli.plan.partition_snapshot",
    "lakehouse_cli.plan.partitioning",
    "lakehouse_cli.plan.units",
    "lakehouse_cli.storage.local.index_file",
    "lakehouse_cli.storage.partition_digests",
    "lakehouse_cli.storage.partition_index",
}
#: What is for projects that put variables into URLs or change where modules are looked for, and for `clean`.
OF_FEW = {
    "lakehouse_cli.code.fingerprints.mutation",
    "lakehouse_cli.code.fingerprints.search_path",
    "lakehouse_cli.config.url_variables",
    "lakehouse_cli.storage.local.strays",
    "lakehouse_cli.storage.strays",
}
SCRIPT = """
import contextlib, io, itertools, json, sys
from lakehouse_cli.cli.main import invoke
commands = [list(argv) for between, argv in itertools.groupby(sys.argv[1:], "&&".__eq__) if not between] or [[]]
with contextlib.redirect_stdout(io.StringIO()):
    codes = [invoke(argv) for argv in commands]
print(json.dumps([max(codes), sorted(name for name, module in sys.modules.items() if module)]))
"""


def loaded(*argv: str, start: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run) -> set[str]:
    """What a process has loaded after a command that succeeds, or several with `&&` between: packages, our modules."""
    done = start([sys.executable, "-c", SCRIPT, *argv], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout)
    assert code == 0
    return {name if name.startswith("lakehouse_cli.") else name.partition(".")[0] for name in modules}


def loaded_beside_arrow(*argv: str) -> set[str]:
    """The same of a process that begins with Arrow, of which nothing is said."""
    return loaded(*argv, start=partial(preloaded.run, kind=preloaded.PreloadedWithoutPandas))


FAST = "--help && --version && run --help && validate && ls && ls -o json && plan && plan -o json && run --dry-run"


def test_fast_commands(project: ProjectFolder) -> None:
    assert loaded(*FAST.split(), "&&", "schema") & SLOW == set()


def test_code_of_what_was_never_stored_is_read_once(project: ProjectFolder) -> None:
    reading = {"ast", "lakehouse_cli.code.fingerprints.fingerprint"}
    assert [loaded("plan") & reading for _ in range(2)] == [reading, {"ast"}]


def test_help_loads_no_command(tmp_path: Path) -> None:
    names = loaded("--help")
    assert not {f"lakehouse_cli.cli.{name}" for name in NAMES} & names
    assert "yaml" not in names


def test_a_shell_that_asks_has_little_loaded(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the project nor the command's own work, once any command has read the tables."""
    monkeypatch.setenv("_LAKEHOUSE_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "lakehouse run t")
    assert "lakehouse_cli.config.loading" in (first := loaded())
    assert first & SLOW == set()
    others = {"yaml", "lakehouse_cli.config", "lakehouse_cli.model", "lakehouse_cli.project.facade"}
    assert loaded() & (SLOW | others) == set()
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "lakehouse run --f")
    assert loaded() & SLOW == set()


@pytest.mark.parametrize("argv", [["plan"], ["run"], ["plan", "best"]], ids=" ".join)
def test_what_is_up_to_date_is_not_counted(project: ProjectFolder, cli: Cli, argv: list[str]) -> None:
    assert cli("run").code == 0
    (project.path / "data/orders.csv").touch()
    assert loaded(*argv) & (SLOW | OF_PARTITIONS | OF_FEW) == set()


def test_a_run_of_pandas_loads_no_more(project: ProjectFolder) -> None:
    """No clients of object stores, nor what only Dagster needs."""
    assert {"pandas", "pyarrow", "transforms"} <= (names := loaded("run"))
    assert names & {"ssl", "rich", "dagster"} == set()


def test_what_changed_is_counted_without_the_users_code(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    project.write("data/orders.csv", "customer,amount\n007,5\n")
    assert loaded_beside_arrow("plan") & {"pandas", "polars", "transforms"} == set()


@pytest.fixture(
    params=["sqlite", "duckdb", "postgresql", "delta", "s3", pytest.param("delta on s3", marks=pytest.mark.slow)]
)
def elsewhere(request: pytest.FixtureRequest, project: ProjectFolder) -> ProjectFolder:
    """The project with its computed tables in another storage, not yet run."""
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        storage = f"{{root: '{server.url(server.new_database())}'}}"
    elif request.param.endswith("s3"):
        bucket: S3Server = request.getfixturevalue("s3_server")
        bucket.make_bucket("lake")
        root = f"s3://lake/{project.path.parent.name}"
        kind = request.param.partition(" ")[0]
        storage = f"{{type: {kind}, root: '{root}', options: {json.dumps(bucket.options)}}}"
    else:
        storage = f"{{type: {request.param}, root: lake.db}}"
    text = project.read("lakehouse.yaml").replace("tables:\n", f"storages: {{lake: {storage}}}\ntables:\n")
    for name in ("totals", "best"):
        text = text.replace(f"  {name}:\n", f"  {name}:\n    storage: lake\n")
    project.write("lakehouse.yaml", text)
    return project


def test_a_plan_loads_no_frames_wherever_tables_live(elsewhere: ProjectFolder, cli: Cli) -> None:
    assert loaded_beside_arrow("plan") & FRAMES == set()
    assert cli("run").code == 0
    assert loaded_beside_arrow("plan", "&&", "run") & FRAMES == set()


def test_without_dagster_its_module_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dagster", None)
    monkeypatch.delitem(sys.modules, "lakehouse_cli.integrations.dagster", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'lakehouse-cli\[dagster\]'"):
        importlib.import_module("lakehouse_cli.integrations.dagster")


#: What every storage holds, but for Delta.
TYPES = [
    *("int64", "uint8", "float64", "bool", "string", "binary", "date32", "timestamp[us]", "timestamp[us, tz=UTC]"),
    *("duration[us]", "decimal128(10, 2)", "dictionary<string>"),
]
NOT_IN_DELTA = {"uint8", "duration[us]", "dictionary<string>"}


ARROW_STORAGES = ["csv", "parquet", "ipc", "jsonl", "json", "memory", "sqlite", "duckdb", "delta", "postgresql"]


@pytest.fixture
def arrow_project(request: pytest.FixtureRequest, folder: ProjectFolder) -> ProjectFolder:
    """A project in a storage, all of whose transforms are on Arrow's tables; one fails where pandas was imported."""
    storage = {
        "memory": "{root: 'memory://lake'}",
        "sqlite": "{type: sqlite, root: lake.db}",
        "duckdb": "{type: duckdb, root: lake.db}",
        "delta": "{type: delta, root: lake}",
    }.get(request.param, f"{{root: lake, format: {request.param}}}")
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        storage = f"{{root: '{server.url(server.new_database())}'}}"
    kept = [each for each in TYPES if request.param != "delta" or each not in NOT_IN_DELTA]
    columns = {"id": "int64", **{f"c{at}": each for at, each in enumerate(kept)}}
    declared = json.dumps({**columns, "id": {"type": "int64", "nullable": False}})
    folder.write(
        "lakehouse.yaml",
        f"""
        name: arrow
        module: transforms
        storages:
          default: {{root: data}}
          raw: {{root: data, format: ipc}}
          lake: {storage}
        defaults: {{storage: lake}}
        tables:
          source: {{kind: source, storage: raw, columns: {json.dumps(columns)}}}
          once: {{columns: {declared}, key: [id], inputs: {{table: source}}}}
          twice: {{columns: {declared}, key: [id], inputs: {{table: once}}}}
          kept: {{inputs: {{table: twice}}}}
          last: {{columns: {{id: int64}}, inputs: {{table: kept}}}}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import sys
        import pyarrow as pa

        def once(table: pa.Table) -> pa.Table:
            return table

        twice = kept = once

        def last(table: pa.Table) -> pa.Table:
            assert "pandas" not in sys.modules
            return table.select(["id"])
        """,
    )
    types = {name: to_arrow(parse_column_type(text)) for name, text in columns.items()}
    values = {"id": list(range(4)), **{f"c{at}": (VALUES[text] * 4)[:4] for at, text in enumerate(kept)}}
    table = pa.table({name: pa.array(values[name], type_) for name, type_ in types.items()})
    (folder.path / "data").mkdir()
    with pa.ipc.new_file(str(folder.path / "data/source.arrow"), table.schema) as writer:
        writer.write(table)
    return folder


@pytest.mark.parametrize(
    ("arrow_project", "executor"),
    [*((storage, "threads") for storage in ARROW_STORAGES), ("csv", "serial"), ("csv", "processes")],
    indirect=["arrow_project"],
)
def test_run_without_pandas_imports_none(arrow_project: ProjectFolder, executor: str) -> None:
    run = ["run", "--executor", executor]
    assert "pandas" not in loaded_beside_arrow(*run, "&&", "plan", "&&", *run, "--force", "twice", "last")


def test_queries_that_were_read_load_no_engine(project: ProjectFolder, cli: Cli) -> None:
    """Neither DuckDB nor a parser, once any command has read and bound them."""
    text = project.read("lakehouse.yaml")
    query = "  most:\n    sql: select customer, max(total) as most from totals group by customer\n    order_by: most\n"
    project.path.joinpath("lakehouse.yaml").write_text(f"{text}{query}  file:\n    sql_file: file.sql\n")
    project.write("file.sql", "from most where most > 1")
    assert "duckdb" in loaded("validate")
    assert loaded("plan") & {"duckdb"} == set()
    assert cli("run").code == 0
    every = "validate && plan && ls && run && run --dry-run && plan state:modified"
    assert loaded(*every.split()) & (SLOW | {"duckdb"}) == set()
    project.write("file.sql", "from most where most > 2")
    assert "duckdb" in loaded("plan")
    assert loaded("plan") & {"duckdb"} == set()


def test_a_run_in_processes_loads_arrow_there_alone(project: ProjectFolder) -> None:
    """What leads them would take a core from them as they begin."""
    project.add("transforms.py", "\n\ndef alone():\n    return pd.DataFrame({'n': [1]})\n")
    project.add("lakehouse.yaml", "  alone: {columns: {n: int64}}\n")
    assert loaded("run", "alone", "--executor", "processes") & {"pyarrow", "numpy", "pandas"} == set()
    assert "pyarrow" in loaded("run", "alone", "--force", "--executor", "threads")
