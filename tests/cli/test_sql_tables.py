"""Tables computed by queries, and `lakehouse sql`, through the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli import Project
from tests import preloaded
from tests.cli.running import COMMAND, running, until
from tests.conftest import Cli, Invoked, ProjectFolder

HEAD = """\
name: weather
module: transforms
tables:
  obs:
    kind: source
    columns: {station: string, day: date32, tmpf: float64}
"""
OBS = "station,day,tmpf\nSFO,2024-01-01,60.5\nSFO,2024-01-02,\nLAX,2024-01-01,70\n"
HIGHS = """\
  highs:
    sql: |
      select station, max(tmpf) as high
      from obs
      where day >= $since
      group by station
    params: {since: "2024-01-01"}
    columns: {station: string, high: float64}
    key: station
"""
BELOW = """\
  below:
    sql: select station from highs where high < 100
"""


@pytest.fixture
def weather(folder: ProjectFolder) -> ProjectFolder:
    """A source of observations, a query over them, and one over that."""
    folder.path.joinpath("lakehouse.yaml").write_text(HEAD + HIGHS + BELOW)
    folder.write("transforms.py", "import pandas as pd\n")
    folder.write("data/obs.csv", OBS)
    return folder


def declare(weather: ProjectFolder, tables: str) -> None:
    weather.path.joinpath("lakehouse.yaml").write_text(HEAD + tables)


def edit(weather: ProjectFolder, old: str, new: str, name: str = "lakehouse.yaml") -> None:
    text = weather.read(name)
    assert old in text
    weather.path.joinpath(name).write_bytes(text.replace(old, new).encode())


def reasons(invoked: Invoked) -> dict[str, list[str]]:
    """What a plan would run, and why."""
    assert invoked.code == 0, invoked.err
    due = [table for table in invoked.json["tables"] if table["action"] == "run"]
    return {table["name"]: [reason["message"] for reason in table["reasons"]] for table in due}


def problems(invoked: Invoked) -> list[tuple[str, str]]:
    """Message and place of each problem of `validate`."""
    assert invoked.code == 3, invoked.out
    found = invoked.json["error"]["problems"]
    return [(each["message"], f"{each['file']}:{each['line']}:{each['column']}") for each in found]


def test_a_query_computes_a_table(weather: ProjectFolder, cli: Cli) -> None:
    assert cli("validate").code == 0
    assert cli("run").code == 0
    assert weather.read("data/highs.csv") == "station,high\nLAX,70.0\nSFO,60.5\n"
    assert weather.read("data/below.csv") == "station\nLAX\nSFO\n"
    assert "2 unchanged" in cli("run").out
    assert weather.files() == ["below.csv", "highs.csv", "obs.csv"]


@pytest.mark.parametrize("executor", ["threads", "serial", pytest.param("processes", marks=pytest.mark.slow)])
def test_every_executor_gives_the_same(weather: ProjectFolder, cli: Cli, executor: str) -> None:
    assert cli("run", "--executor", executor).code == 0
    assert weather.read("data/highs.csv") == "station,high\nLAX,70.0\nSFO,60.5\n"
    assert weather.read("data/below.csv") == "station\nLAX\nSFO\n"


PLACES = {
    "literal": ("sql: |\n      select station,\n        tmpff\n      from obs", "lakehouse.yaml:10:9"),
    "deeper literal": ("sql: |-\n          select\n            tmpff from obs", "lakehouse.yaml:10:13"),
    "one line": ("sql: select tmpff from obs", "lakehouse.yaml:8:17"),
    "quoted": ('sql: "select tmpff from obs"', "lakehouse.yaml:8:18"),
    "single quotes": ("sql: 'select tmpff from obs'", "lakehouse.yaml:8:18"),
    "behind others": ("sql: select 'é€😀', tmpff from obs", "lakehouse.yaml:8:24"),
    "escaped": ("sql: 'select ''a'', tmpff from obs'", "lakehouse.yaml:8:10"),
    "folded": ("sql: >\n      select tmpff\n      from obs", "lakehouse.yaml:8:10"),
    "a long line": (f"sql: select {'1, ' * 60} tmpff{', 1' * 60} from obs", "lakehouse.yaml:8:198"),
    "over lines": ("sql: select\n      tmpff from obs", "lakehouse.yaml:8:10"),
}


@pytest.mark.parametrize(("query", "place"), PLACES.values(), ids=PLACES)
def test_validate_shows_the_place_in_a_query(weather: ProjectFolder, cli: Cli, query: str, place: str) -> None:
    declare(weather, f"  highs:\n    {query}\n")
    [(message, found)] = problems(cli("validate", "-o", "json"))
    assert message == 'the query of `highs`: Referenced column "tmpff" not found in FROM clause'
    assert found == place


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_validate_shows_the_place_in_a_file(weather: ProjectFolder, cli: Cli, start: bytes, newline: str) -> None:
    declare(weather, "  highs:\n    sql_file: sql/highs.sql\n")
    text = newline.join(["-- é", "select station,", "  tmpff", "from obs;", ""])
    weather.write("sql/highs.sql", "").write_bytes(start + text.encode())
    [(_, place)] = problems(cli("validate", "-o", "json"))
    assert place == "sql/highs.sql:3:3"
    weather.path.joinpath("sql/highs.sql").write_bytes(start + text.replace("tmpff", "tmpf").encode())
    assert cli("run").code == 0
    assert weather.read("data/highs.csv").splitlines()[1] == "LAX,70.0"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("sql/hihgs.sql", "`sql/hihgs.sql` does not exist", "did you mean `sql/highs.sql`"),
        ("sql", "`sql` cannot be read: Is a directory", "name a file with a query"),
        ("sql/latin.sql", "`sql/latin.sql` is not UTF-8 (byte 9)", "save it as UTF-8"),
        ("sql/link.sql", "`sql/link.sql` leads out of the project's folder", "move the file into the project"),
    ],
)
def test_a_file_that_cannot_be_read(weather: ProjectFolder, cli: Cli, name: str, message: str, hint: str) -> None:
    weather.write("sql/highs.sql", "from obs")
    weather.path.joinpath("sql/latin.sql").write_bytes(b"select '\xe9' from obs")
    outside = weather.path.parent / "outside.sql"
    outside.write_text("from obs")
    weather.path.joinpath("sql/link.sql").symlink_to(outside)
    declare(weather, f"  highs:\n    sql_file: {name}\n")
    invoked = cli("validate")
    assert invoked.code == 3
    assert f"`sql_file` of table `highs`: {message}" in invoked.err
    assert hint in invoked.err
    assert "lakehouse.yaml:8:15" in invoked.err


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("sql: from obs\n    sql_file: a.sql", "table `highs` has both `sql` and `sql_file`"),
        ("sql: from obs\n    function: transforms:f", "table `highs` has both `function` and `sql`"),
        ("engine: duckdb", "`engine` of table `highs` is for queries, and a function computes it"),
        ("sql: from obs\n    engine: sqlite", "`engine` of table `highs` is `duckdb` or `storage`, not `sqlite`"),
        ("sql: from nix", "the query of `highs` reads `nix`, which is not a table"),
        ("sql: from public.obs", "the query of `highs` reads `public.obs`, which is not a table"),
        ("sql: from highs", "table `highs` is its own input"),
        ("sql: from obs limit $n", "the query has a param `$n`, and `params` has no value"),
        ("sql: from obs\n    params: {n: 1}", "the query has no param `$n`"),
        (
            "sql: from obs\n    order_by: [tmp]",
            "the query of `highs`: `order_by` names `tmp`, which is not in the result",
        ),
        (
            "sql: select [1] as l\n    order_by: l",
            "the query of `highs`: `order_by` names `l`, and list<int32> has no order",
        ),
        ("sql: from obs\n    key: nix", "the query of `highs`: key column `nix` is missing from the result"),
        ("sql: \"from {{ ref('obs') }}\"", "there is no Jinja: name a table as it is called"),
        ("sql: delete from obs", "the query of `highs`: it is no SELECT but DELETE"),
        (
            "sql: pivot obs on station using max(tmpf)",
            "the tables of the query of `highs` cannot be determined from its text",
        ),
        (
            "sql: pivot (from histogram(sqlite_master, name)) on bin using sum(count)\n    inputs: [obs]",
            "the query of `highs` uses `sqlite_master`, which reads DuckDB's own settings or catalog",
        ),
        (
            "sql: select station, station from obs",
            "the query of `highs`: the query returns two columns called `station`",
        ),
        (
            "sql: select station as s from obs\n    columns: {s: int64, t: int64}",
            "the query of `highs`: column `t` is not in the result",
        ),
        (
            "sql: select tmpf as s from obs\n    columns: {s: string}",
            "the query of `highs`: `s` is declared string, and the query returns float64",
        ),
    ],
)
def test_what_is_wrong_is_known_before_a_run(weather: ProjectFolder, cli: Cli, keys: str, message: str) -> None:
    declare(weather, f"  highs:\n    {keys}\n")
    assert message in cli("validate").err


def test_pivot_runs_where_its_inputs_are_listed(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, "  wide:\n    sql: pivot obs on station using max(tmpf) order by day\n    inputs: [obs]\n")
    assert cli("run").code == 0
    assert weather.read("data/wide.csv") == "day,LAX,SFO\n2024-01-01,70.0,60.5\n2024-01-02,,\n"


def test_inputs_have_the_names_of_the_map(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, "  n:\n    sql: select count(*) as n from here\n    inputs: {here: obs}\n")
    assert cli("run").code == 0
    assert weather.read("data/n.csv") == "n\n3\n"


def test_two_tables_that_differ_in_case_are_not_taken_for_one(weather: ProjectFolder, cli: Cli) -> None:
    other = "  OBS:\n    kind: source\n    path: other\n"
    weather.write("data/other.csv", "day\n1\n")
    declare(weather, other + "  both:\n    sql: select count(*) as n from obs, OBS as o\n")
    assert "reads `obs` and `OBS`, which are one to DuckDB" in cli("validate").err
    inputs = "    inputs: {obs: obs, here: OBS}\n"
    declare(weather, other + "  both:\n    sql: select count(*) as n from obs, here\n" + inputs)
    assert cli("run").code == 0
    assert weather.read("data/both.csv") == "n\n3\n"


def test_a_plan_says_what_changed(weather: ProjectFolder, cli: Cli) -> None:
    def changed(old: str, new: str) -> list[str]:
        edit(weather, old, new)
        return reasons(cli("plan", "-o", "json", "highs")).get("highs", [])

    assert cli("run").code == 0
    assert changed("select station, max", "select  station, -- so\n        max") == []
    assert changed("max(tmpf)", "min(tmpf)") == ["the query changed"]
    assert cli("run").code == 0
    assert changed('"2024-01-01"', '"2024-01-02"') == ["param `since`: 2024-01-01 → 2024-01-02"]
    assert cli("run").code == 0
    assert changed("    key: station\n", "    key: station\n    order_by: high\n") == [
        "rows are now ordered by high (compatible)"
    ]
    assert cli("run").code == 0
    assert changed("    order_by: high\n", "") == ["rows have no order any more (compatible)"]
    assert cli("run").code == 0
    assert changed("    key: station\n", "    key: station\n    version: '1'\n") == ["pinned to version 1"]
    assert cli("run").code == 0
    assert changed("min(tmpf)", "max(tmpf)") == []


def test_a_query_takes_the_place_of_a_function_and_back(weather: ProjectFolder, cli: Cli) -> None:
    weather.write(
        "transforms.py",
        """
        import pandas as pd


        def below(highs: pd.DataFrame) -> pd.DataFrame:
            return highs[["station"]]
        """,
    )
    query = "sql: select station from highs where high < 100"
    assert cli("run").code == 0
    edit(weather, query, "tags: []")
    assert reasons(cli("plan", "-o", "json")) == {"below": ["`below` (transforms.py) computes it now, and no query"]}
    assert cli("run").code == 0
    edit(weather, "tags: []", query)
    assert reasons(cli("plan", "-o", "json")) == {"below": ["a query computes it now"]}


def test_another_version_of_duckdb_runs_it_again(
    weather: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("run").code == 0
    found = __import__("lakehouse_cli.plan.queries", fromlist=["find_package"])
    real = found.find_package("duckdb", __import__("sys").path)
    monkeypatch.setattr(found, "find_package", lambda *_: real.__class__("99.1", real.file))
    assert reasons(cli("plan", "-o", "json", "highs")) == {"highs": [f"duckdb {real.version} → 99.1"]}
    monkeypatch.setattr(found, "find_package", lambda *_: real.__class__("1.5.6", real.file))
    assert "which needs duckdb 2.0 or later" in cli("validate").err
    monkeypatch.setattr(found, "find_package", lambda *_: None)
    assert "which needs duckdb, and that is not installed" in cli("validate").err
    declare(weather, "")
    asked = cli("sql", "from obs")
    assert asked.err == (
        "error: a query needs duckdb, and that is not installed\n  pip install 'lakehouse-cli[duckdb]'\n"
    )


def test_an_unchanged_result_stops_what_is_downstream(weather: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    edit(weather, "max(tmpf)", "max(tmpf) + 0")
    assert cli("run", "-o", "json").statuses["below"] == "unchanged"
    edit(weather, "SFO,2024-01-02,", "SFO,2024-01-02,1", "data/obs.csv")
    assert cli("run", "-o", "json").statuses["below"] == "unchanged"


def test_rows_of_python_and_sql_have_one_order(weather: ProjectFolder, cli: Cli) -> None:
    """Nulls behind NaN behind numbers, and text that is declared a number is one."""
    weather.write(
        "transforms.py",
        """
        import pyarrow as pa


        def by_python(values: pa.Table) -> pa.Table:
            return values
        """,
    )
    weather.write(
        "data/values.jsonl", '{"n":"10","f":null}\n{"n":"9","f":"NaN"}\n{"n":"1","f":0.5}\n{"n":"2","f":null}\n'
    )
    keys = "    columns: {n: int64, f: float64}\n    order_by: [f, n]\n"
    source = "  values:\n    kind: source\n    format: jsonl\n    columns: {n: string, f: float64}\n"
    declare(weather, f"{source}  by_python:\n{keys}  by_sql:\n    sql: from values\n{keys}")
    edit(weather, "from values", 'from "values"')
    assert cli("run").code == 0, cli("run").err
    assert weather.read("data/by_sql.csv").splitlines()[1:] == ["1,0.5", "9,nan", "2,", "10,"]
    assert weather.read("data/by_python.csv") == weather.read("data/by_sql.csv")


def test_a_key_may_be_nested(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, "  lists:\n    format: jsonl\n    sql: select unnest([[2], [1]]) as l, 1 as a\n    key: [l, a]\n")
    assert cli("run").code == 0
    assert weather.read("data/lists.jsonl") == '{"l":[1],"a":1}\n{"l":[2],"a":1}\n'


@pytest.mark.parametrize("name", ["nix", "l"])
def test_python_table_without_the_column_of_its_order(weather: ProjectFolder, cli: Cli, name: str) -> None:
    weather.write(
        "transforms.py",
        """
        import pyarrow as pa


        def lists(obs: pa.Table) -> pa.Table:
            return pa.table({"l": [[1]]})
        """,
    )
    declare(weather, f"  lists:\n    order_by: {name}\n")
    invoked = cli("run")
    assert invoked.code == 1
    assert f"`order_by` names `{name}`" in invoked.err
    assert "Traceback" not in invoked.err
    assert "lakehouse.yaml:8:15" in invoked.err


def test_an_error_at_run_time_says_where_and_leaves_yesterday(weather: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    edit(weather, "max(tmpf)", "max(day::varchar::double)")
    invoked = cli("run")
    assert invoked.code == 1
    assert "the query of `highs` failed: Could not convert string '2024-01-01' to DOUBLE" in invoked.err
    assert "lakehouse.yaml:9:" in invoked.err
    assert "Traceback" not in invoked.err
    assert weather.read("data/highs.csv") == "station,high\nLAX,70.0\nSFO,60.5\n"


def test_a_broken_contract_names_the_query(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, "  all:\n    sql: select station from obs\n    columns: {station: string}\n    key: station\n")
    invoked = cli("run")
    assert invoked.code == 1
    assert "fix the query of `all` (lakehouse.yaml:8:10), or relax the contract" in invoked.err


def test_attempts_and_their_end(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, "  bad:\n    sql: select error('no') as e from obs\n    retries: 2\n")
    [table] = [each for each in cli("run", "-o", "json").json["tables"] if each["name"] == "bad"]
    assert (table["status"], table["attempts"]) == ("failed", 3)


SLOW_QUERY = "select sum(a.range * b.range % 7) as n from range(1000000) a, range(1000000) b"


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_a_timeout_ends_a_query(weather: ProjectFolder, executor: str) -> None:
    declare(weather, f"  slow:\n    sql: {SLOW_QUERY}\n    timeout: 1\n")
    with running(weather.path, "run", "--executor", executor) as command:
        assert command.ends(patience=20) == 1
    assert "the query of `slow` took longer than its timeout of 1 s" in command.err


TELLS_OF_INTERRUPTIONS = """
import pathlib
from lakehouse_cli.runner.interrupts import Interrupts

heed = Interrupts._handle
Interrupts._handle = lambda *how: (heed(*how), pathlib.Path("heeded").touch())
"""


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["threads", "serial", "processes", None])
def test_ctrl_c_ends_a_long_query(weather: ProjectFolder, tmp_path: Path, executor: str | None) -> None:
    """Of a run by an executor, or of `lakehouse sql`."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    declare(weather, f"  slow:\n    sql: {SLOW_QUERY}\n")
    argv = ["run", "--executor", executor] if executor else ["sql", SLOW_QUERY]
    with running(weather.path, *argv, environ={"TMPDIR": str(temporary)}, before=TELLS_OF_INTERRUPTIONS) as process:
        until(lambda: any(temporary.glob("lakehouse-*")), "the query")
        process.interrupt()
        if executor:  # the first finishes what is under way
            if executor == "serial":  # its only thread waits for the query, and the run reports when that is done
                until((weather.path / "heeded").exists, "the interruption")
            else:
                process.says("Ctrl-C again stops at once")
            process.interrupt()
        assert process.ends(patience=10) == 130, process
    assert "Traceback" not in process.err
    if not executor:  # of a run that is stopped at once, the next query removes them
        assert list(temporary.iterdir()) == []
    assert weather.files() == ["obs.csv"]


@pytest.mark.slow
def test_ctrl_c_of_the_installed_command_leaves_no_folder(weather: ProjectFolder, tmp_path: Path) -> None:
    """Whose own handler ends what has nothing to end in order."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "lakehouse_cli", "sql", SLOW_QUERY]
    environ = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=weather.path, env=environ, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: any(temporary.glob("lakehouse-*")), "the query")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1] == "interrupted\n"
    assert process.returncode == 130
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_a_killed_run_leaves_nothing(
    weather: ProjectFolder, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    declare(weather, f"  slow:\n    sql: {SLOW_QUERY}\n")
    with running(weather.path, "run", environ={"TMPDIR": str(temporary)}) as process:
        until(lambda: any(temporary.glob("lakehouse-*")), "the query")
        process.process.send_signal(signal.SIGKILL)
        process.ends()
    assert weather.files() == ["obs.csv"]
    # The next command removes what it spilled.
    [left] = temporary.iterdir()
    left.joinpath("duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"spilled")
    os.utime(left, (0, 0))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    edit(weather, SLOW_QUERY, "select 1 as n")
    assert cli("run").code == 0
    assert list(temporary.iterdir()) == []


AGGREGATES = {
    "sums": "select g, sum(f) as s, avg(f) as a from big group by g",
    "lists": "select g, list(f) as l, first(f) as f, any_value(i) as v from big group by g",
    "limit": "select g, i from big where g < 7 limit 100",
    "ties": "select i, row_number() over (order by g) as r from big qualify r < 500",
    "ordered": "select g, i from big order by g",
    "distinct": "select distinct on (g) g, i from big",
    "join": "select a.g, a.i, b.i as j from big a join big b on a.i = b.i + 1 where a.g = 3",
    "union": "select g from big union select i from big where i < 9",
    "text": "select g, string_agg(i::varchar, ',') as t from big where i % 50 = 0 group by g",
}


@pytest.mark.slow
def test_five_runs_give_the_same_bytes(weather: ProjectFolder) -> None:
    weather.write("data/big.csv", "").write_text(
        "g,i,f\n" + "".join(f"{i * 7919 % 101},{i},{i * 0.1 * (-1) ** i!r}\n" for i in range(200_000))
    )
    big = "  big:\n    kind: source\n    columns: {g: int64, i: int64, f: float64}\n"
    tables = "".join(f"  {name}:\n    format: parquet\n    sql: {query}\n" for name, query in AGGREGATES.items())
    declare(weather, big + tables)
    threads = "import os; os.sched_getaffinity = lambda _: range(4)\n"
    script = [COMMAND[0], "-c", threads + COMMAND[2], "run", "--force", "--workers", "1"]
    found = set()
    for _ in range(5):
        done = preloaded.run(script, cwd=weather.path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.add(tuple(weather.path.joinpath(f"data/{name}.parquet").read_bytes() for name in AGGREGATES))
    assert len(found) == 1


def test_nothing_is_left_in_the_temporary_folder(
    weather: ProjectFolder, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert cli("run").code == 0
    assert cli("sql", "from highs").code == 0
    assert list(temporary.iterdir()) == []
    files = {path.relative_to(weather.path).parts[0] for path in weather.path.rglob("*") if path.is_file()}
    assert files == {"lakehouse.yaml", "transforms.py", "data", ".lakehouse"}


def test_other_commands_know_queries(weather: ProjectFolder, cli: Cli) -> None:
    assert cli("run", "--dry-run").code == 0
    assert weather.files() == ["obs.csv"]
    assert cli("run").code == 0
    assert cli("show", "highs").out.splitlines()[-2:] == ["  LAX      70.0", "  SFO      60.5"]
    assert "2 same" in cli("diff").out
    edit(weather, "max(tmpf)", "min(tmpf)")
    edit(weather, "SFO,2024-01-01,60.5", "SFO,2024-01-01,61.5", "data/obs.csv")
    assert cli("diff").code == 1
    assert "highs" in cli("plan", "state:modified").out
    assert "note" not in cli("graph").err


def test_environments_copy_and_defer(weather: ProjectFolder, cli: Cli) -> None:
    environments = "environments:\n  dev:\n    storages:\n      default: {root: dev}\n"
    weather.path.joinpath("lakehouse.yaml").write_text(weather.read("lakehouse.yaml") + environments)
    assert cli("run").code == 0
    assert cli("-e", "dev", "run", "below", "--defer", "default").code == 0, cli("-e", "dev", "run", "below").err
    assert weather.read("dev/below.csv") == "station\nLAX\nSFO\n"
    assert not weather.path.joinpath("dev/highs.csv").exists()
    assert cli("copy", "highs", "--from", "default", "--to", "dev").code == 0
    assert weather.read("dev/highs.csv") == weather.read("data/highs.csv")


def test_files_under_uses_and_refresh(weather: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(weather, "    key: station\n", "    key: station\n    uses: {env: [SINCE]}\n    refresh: always\n")
    assert cli("run").code == 0
    monkeypatch.setenv("SINCE", "1")
    found = reasons(cli("plan", "-o", "json", "highs"))["highs"]
    assert found == ["variable `SINCE` was not set before", "refresh due: `refresh: always`"]


def test_what_gives_other_rows_each_time_is_noted(weather: ProjectFolder, cli: Cli) -> None:
    declare(weather, "  lots:\n    sql: select random() as r from obs\n")
    note = "`lots` uses `random()`: each run gives other rows, which `reproducible: false` declares"
    assert note in cli("plan").err + cli("plan").out
    declare(weather, "  lots:\n    sql: select random() as r from obs\n    reproducible: false\n")
    assert "each run gives other rows" not in cli("plan").err + cli("plan").out


def test_an_edit_of_a_file_is_seen_by_a_project_in_python(weather: ProjectFolder) -> None:
    declare(weather, "  highs:\n    sql_file: sql/highs.sql\n")
    weather.write("sql/highs.sql", "select max(tmpf) as high from obs")
    project = Project.load(weather.path)
    project.run()
    assert project.read("highs")["high"].tolist() == [70.0]
    weather.write("sql/highs.sql", "select min(tmpf) as high from obs")
    project.run()
    assert project.read("highs")["high"].tolist() == [60.5]
    assert project.sql("select high + 1 as more from highs").to_pylist() == [{"more": 61.5}]


def rows(invoked: Invoked) -> list[dict[str, Any]]:
    assert invoked.code == 0, invoked.err
    found: list[dict[str, Any]] = invoked.json["rows"]
    return found


def test_sql_asks_stored_tables(weather: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    before = {path: path.read_bytes() for path in weather.path.joinpath("data").rglob("*") if path.is_file()}
    shown = cli("sql", "select station, high from highs order by high")
    assert shown.out == "  station  high\n  SFO      60.5\n  LAX      70.0\n\n2 rows\n"
    joined = "select o.station, count(*) as n from obs o join highs h using (station) group by all order by n"
    assert rows(cli("sql", "-o", "json", joined)) == [{"station": "LAX", "n": 1}, {"station": "SFO", "n": 2}]
    assert {path: path.read_bytes() for path in before} == before


def test_sql_shows_so_many_rows(weather: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "from range(120)"
    assert cli("sql", query).out.splitlines()[-3:] == ["  … and 70 more rows", "", "120 rows"]
    assert cli("sql", "-n", "0", query).out.count("\n") == 123
    found = cli("sql", "-n", "2", "-o", "json", query).json
    assert found == {
        "columns": [{"name": "range", "type": "int64"}],
        "row_count": 120,
        "rows": [{"range": 0}, {"range": 1}],
    }
    assert cli("sql", "-n", "-1", query).code == 2
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("select 7 as seven;"))
    assert rows(cli("sql", "-o", "json", "-")) == [{"seven": 7}]


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("select * frm obs", 2, "syntax error"),
        ("from nix", 2, "the query reads `nix`, which is not a table"),
        ("delete from obs", 2, "the query: it is no SELECT but DELETE"),
        ("", 2, "the query: it is empty"),
        ("select 1; select 2", 2, "the query: it has 2 statements"),
        ("select $a", 2, "the query has a param `$a`"),
        ("select nix from obs", 1, 'the query failed: Referenced column "nix" not found'),
        ("select station::int from obs", 1, "the query failed: Could not convert string 'SFO' to INT32"),
        ("from read_csv('data/obs.csv')", 1, "file system operations are disabled"),
        ("select 1 as a, 2 as a", 1, "the query returns two columns called `a`"),
        ("select interval 1 month as i", 1, "intervals with months"),
    ],
)
def test_sql_says_what_is_wrong(weather: ProjectFolder, cli: Cli, query: str, code: int, message: str) -> None:
    invoked = cli("sql", query)
    assert (invoked.code, invoked.out) == (code, "")
    assert message in invoked.err
    assert "Traceback" not in invoked.err


def test_sql_of_a_table_that_was_never_materialized(weather: ProjectFolder, cli: Cli) -> None:
    invoked = cli("sql", "from highs")
    assert invoked.code != 0
    assert "highs" in invoked.err
    assert "Traceback" not in invoked.err


def test_sql_of_a_pivot(weather: ProjectFolder, cli: Cli) -> None:
    found = rows(cli("sql", "-o", "json", "pivot obs on station using max(tmpf) order by day"))
    assert found[0] == {"day": "2024-01-01", "LAX": 70.0, "SFO": 60.5}


@pytest.mark.slow
def test_watching_sees_a_query_in_a_file(weather: ProjectFolder) -> None:
    declare(weather, "  highs:\n    sql_file: sql/highs.sql\n")
    weather.write("sql/highs.sql", "select max(tmpf) as high from obs")
    with running(weather.path, "run", "--watch") as command:
        command.says("highs")
        until(weather.path.joinpath("data/highs.csv").exists, "the first run")
        weather.write("sql/highs.sql", "select min(tmpf) as high from obs")
        until(lambda: "60.5" in weather.read("data/highs.csv"), "the second run")
        command.interrupt()
        command.ends()


@pytest.mark.parametrize(
    ("query", "kind", "followed"),
    [
        ("select 0.1 as x", "float64", "::DOUBLE"),
        ("select timestamp '2024-01-01 10:00' as x", "date32", "::DATE"),
    ],
)
def test_hints_of_values_are_for_queries(folder: ProjectFolder, cli: Cli, query: str, kind: str, followed: str) -> None:
    def declare_query(text: str) -> None:
        folder.write("lakehouse.yaml", f"name: q\ntables:\n  t:\n    sql: {text}\n    columns: {{x: {kind}}}\n")

    declare_query(query)
    [table] = cli("run", "-o", "json").json["tables"]
    assert table["error"]["message"].endswith(f"; cast it in the query, as with `{followed}`")
    declare_query(query.replace(" as x", f"{followed} as x"))
    assert cli("run").code == 0


@pytest.mark.parametrize(
    ("value", "declared", "returned"),
    [
        ("[1, 2]", "list<date32>", "list<int32>"),
        ("map{'a': 1}", "list<duration[us]>", "map<string, int32>"),
        ("[1, 2]", "map<string, int64>", "list<int32>"),
        ("{'a': date '2020-01-01'}", "struct<a: int64>", "struct<a: date32>"),
    ],
)
def test_types_inside_of_others_are_validated(
    folder: ProjectFolder, cli: Cli, value: str, declared: str, returned: str
) -> None:
    project = f"""name: q
tables:
  t:
    path: t.parquet
    sql: "select {value.replace("{", "{{").replace("}", "}}")} as x"
    columns:
      x: "{{}}"
"""
    folder.write("lakehouse.yaml", project.format(declared))
    found = cli("validate")
    assert found.code != 0
    assert f"`x` is declared {declared}, and the query returns {returned}" in found.err
    assert "lakehouse.yaml:7:" in found.err
    assert f"declare {returned}, or make {declared} of it in the query" in found.err
    folder.write("lakehouse.yaml", project.format(returned))
    assert cli("run").code == 0
