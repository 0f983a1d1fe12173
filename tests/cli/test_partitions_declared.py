"""Partitions as they are declared: what `validate` accepts, and what it refuses in the light of inputs and code."""

from __future__ import annotations

import pytest

from tests.conftest import Cli, ProjectFolder

DIMENSIONS = """dimensions:
  month: {every: month}
  week: {every: week}
  hour: {every: hour, start: 2024-01-01T00}
  region: [eu, us]
"""
SOURCES = """
trips: {kind: source, path: "raw/trips_{day:%Y-%m-%d}", columns: {id: int64, at: "timestamp[us]"}}
shops: {kind: source, path: "raw/{country}/shops", columns: {id: int64}}
rates: {kind: source, path: "raw/rates_{month:%Y-%m}", columns: {id: int64}}
two: {kind: source, path: "raw/{sent:%Y-%m-%d}_{got:%Y-%m-%d}", columns: {id: int64}}
folder: {kind: source, path: raw/folder/, columns: {id: int64}}
teams: {kind: source, path: raw/teams/, partitions: [team], columns: {id: int64}}
plain: {kind: source, columns: {id: int64, since: date32, name: string}}
"""


def validate(folder: ProjectFolder, cli: Cli, table: str, code: str = "def t(*a, **k): ...\n", top: str = "") -> str:
    """What `validate` says of one more table, `t`; empty where it is valid."""
    folder.declare(f"{SOURCES}{table}", code, top=DIMENSIONS + top)
    invoked = cli("validate")
    assert (invoked.code == 0) == (not invoked.err)
    return invoked.err


@pytest.mark.parametrize(
    "table",
    [
        "t: {partitions: [month], inputs: [trips]}",
        "t: {partitions: [day], inputs: [trips, rates]}",  # of each day, the rates of its month
        "t: {partitions: [month], inputs: [trips, plain]}",
        "t: {partitions: [week], inputs: [trips]}",
        "t: {partitions: [hour], inputs: [trips, plain]}",  # all hours there are
        "t: {partitions: [region]}",
        "t: {partitions: [region, country], inputs: [shops]}",
        "t: {partitions: [region, month], inputs: [trips]}",
        "t: {partitions: [team], inputs: [teams, trips]}",
        "t: {partitions: [file], inputs: [trips, plain]}",
        "t: {partitions: [month], inputs: {a: {table: trips, at: {month: [-2, 0]}, missing: skip}}}",
    ],
)
def test_partitions_that_inputs_have_are_accepted(folder: ProjectFolder, cli: Cli, table: str) -> None:
    assert validate(folder, cli, table) == ""


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        (
            "t: {partitions: [mnth], inputs: [trips]}",
            "dimension `mnth` of table `t` is not declared, and no input has it",
            "did you mean `month`?",
        ),
        (
            "t: {partitions: [month], inputs: [plain]}",
            "no input of table `t` has the dimension `month`",
            "read an input that has it, or give it a `start` under `dimensions:`",
        ),
        (
            "t: {partitions: [day], inputs: [rates]}",  # months do not say which days there are
            "no input of table `t` has the dimension `day`",
            "read an input that has it, or give it a `start` under `dimensions:`",
        ),
        (
            "t: {partitions: [country, month], inputs: [shops, trips]}",
            "no input of table `t` has `country` and `month` together, so that their combinations are not known",
            "give a dimension of time a `start`, and list the values of another: `region: [eu, us]`",
        ),
        (
            "t: {partitions: [week], inputs: [trips, rates]}",
            "`week` of table `t` and `month` of `rates` do not nest",
            "divide one of the two by days: weeks begin in one month or year and end in the next",
        ),
        (
            "t: {partitions: [month], inputs: [two]}",
            "input `two` of table `t` has the dimensions `sent` and `got`, either of which could be `month`",
            "call one of the two `month`, or divide the table by one of them",
        ),
        (
            "t: {partitions: [whatever], inputs: [folder]}",
            "which partitions source `folder` has, that table `t` reads, is not known",
            "name those of its folders: `partitions: [region]` for `region=eu/`",
        ),
        (
            "t: {partitions: [file], inputs: [plain]}",
            "table `t` has a partition of each file, and reads no source of many files",
            "read a source whose path is a pattern or a folder: `raw/sales_*`",
        ),
        (
            "t: {partitions: [file], inputs: [trips, rates]}",
            "table `t` has a partition of each file, and reads more than one source of many files: `trips`, `rates`",
            "give each a table of its own with `partitions: [file]`, and read those in a table without",
        ),
        (
            "t: {partitions: [hour], inputs: {a: {table: plain, at: {hour: -1}}}}",
            "`at` of input `a` of table `t` names `hour`, and `plain` has no such dimension",
            "remove it, or choose rows by time: `within: {column: …}`",
        ),
        (
            "t: {partitions: [hour], inputs: {a: {table: plain, missing: skip}}}",
            "`missing` of input `a` of table `t` says what becomes of its partitions,",
            "remove it",
        ),
        (
            "t: {partitions: [day], inputs: {a: {table: trips, within: {column: id}}}}",
            "`within` of input `a` of table `t`: `trips` is partitioned by time itself",
            "write `at: {day: [-1, 0]}` for neighbours of the period, or remove it",
        ),
    ],
)
def test_partitions_that_inputs_lack_are_refused(
    folder: ProjectFolder, cli: Cli, table: str, message: str, hint: str
) -> None:
    found = validate(folder, cli, table)
    assert f"error: {message}" in found
    assert hint in found
    assert "lakehouse.yaml:" in found
    assert found.endswith("\n1 problem\n")


ZONES = """
  zurich: {every: day, timezone: Europe/Zurich}
  utc: {every: day}
  summer: {every: month, timezone: Europe/Zurich}
  local: {every: hour, timezone: Europe/Zurich}
"""
LOGS = """
logs: {kind: source, path: "raw/logs_{t:%Y-%m-%dT%H}", columns: {id: int64}}
locals: {kind: source, path: "raw/local_{local:%Y-%m-%dT%H}", columns: {id: int64}}
utcs: {kind: source, path: "raw/utc_{utc:%Y-%m-%d}", columns: {id: int64}}
"""


def test_periods_of_different_zones_do_not_nest(folder: ProjectFolder, cli: Cli) -> None:
    """22:00 in UTC is another day in Zurich: what one day's hours are is not in their names."""
    wanted = (
        (
            "t: {partitions: [zurich], inputs: [logs]}",
            "`zurich` of table `t` and `t` of `logs` do not nest:"
            " `zurich` is by the clocks of Europe/Zurich, and `t` by those of UTC",
            "give both the same timezone: `t: {every: hour, timezone: Europe/Zurich}` under `dimensions:`,"
            " or `timezone: UTC` for `zurich`",
        ),
        (
            "t: {partitions: [local], inputs: [locals, trips]}",  # a day's rows for each hour of it
            "`local` of table `t` and `day` of `trips` do not nest",
            "`day: {every: day, timezone: Europe/Zurich}` under `dimensions:`, or `timezone: UTC` for `local`",
        ),
        (
            "t: {partitions: [summer], inputs: [utcs]}",
            "`summer` of table `t` and `utc` of `utcs` do not nest",
            "`timezone: Europe/Zurich` for `utc`, or `timezone: UTC` for `summer`",
        ),
        ("t: {partitions: [zurich], inputs: [utcs]}", "`zurich` of table `t` and `utc` of `utcs` do not nest", "zone"),
    )
    for table, message, hint in wanted:
        found = validate(folder, cli, f"{LOGS}{table}", top=ZONES)
        assert message in found, table
        assert hint in " ".join(found.split()), table
        assert "1 problem" in found, table
    for table, top in (
        ("t: {partitions: [zurich], inputs: [locals]}", ""),
        ("t: {partitions: [utc], inputs: [logs]}", ""),
        ("t: {partitions: [summer], inputs: [trips]}", ""),  # dates of the calendar, in whatever zone
        ("t: {partitions: [zurich], inputs: [logs]}", "  t: {every: hour, timezone: Europe/Zurich}\n"),
    ):
        assert validate(folder, cli, f"{LOGS}{table}", top=ZONES + top) == "", table


def test_folders_name_the_partitions_of_a_source(folder: ProjectFolder, cli: Cli) -> None:
    """Where they are on this machine; written down, they change nothing. Those of a pattern are named in it."""
    tables = "events: {kind: source, path: PATH, columns: {id: int64}}\nt: {partitions: [day], inputs: [events]}\n"
    code = "def t(events):\n    return events\n"
    folder.declare(tables.replace("PATH", "raw/events/"), code, top="dimensions: {day: {every: day}}\n")
    folder.write("data/raw/events/_temporary/x=1/part.csv", "id\n1\n")
    assert "name those of its folders: `partitions: [region]` for `region=eu/`" in cli("validate").err
    for region in ("eu", "us"):
        folder.write(f"data/raw/events/region={region}/day=2024-01-02/part.csv", "id\n1\n")
    assert cli("run", "--executor", "serial").code == 0
    assert folder.read("data/t/day=2024-01-02/data.csv") == "id\n1\n1\n"
    folder.write("data/raw/events/other=1/part.csv", "id\n1\n")
    assert "name those of its folders: `partitions: [region]` for `region=eu/`" in cli("validate").err
    (folder.path / "data/raw/events/other=1/part.csv").unlink()
    folder.edit("lakehouse.yaml", "path: raw/events/", "path: raw/events/, partitions: [region, day]")
    assert "nothing to do" in cli("plan").out
    folder.declare(tables.replace("PATH", "'raw/events/region=*/day=*/part'"), code)
    path = "raw/events/region={region}/day={day}/part"
    assert f'write `path: "{path}"`' in cli("validate").err
    folder.declare(tables.replace("PATH", f"'{path}'"), code)
    assert cli("validate").code == 0


def test_function_takes_dimensions_as_parameters(folder: ProjectFolder, cli: Cli) -> None:
    code = "def t(trips, month, *, region): ...\n"
    assert validate(folder, cli, "t: {partitions: [region, month]}", code) == ""


def test_function_that_takes_another_dimension_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    found = validate(folder, cli, "t: {partitions: [month]}", "def t(trips, region): ...\n")
    assert "parameter `region` of `t` matches no table" in found


def test_dimension_fills_no_place_of_an_input(folder: ProjectFolder, cli: Cli) -> None:
    code = "def t(a, month, b): ...\n"
    assert validate(folder, cli, "t: {partitions: [month], inputs: [trips, plain]}", code) == ""
    found = validate(folder, cli, "t: {partitions: [month], inputs: [trips, plain, shops]}", code)
    assert "`t` takes 2 tables and `inputs` lists 3" in found


def test_query_takes_dimensions_as_params(folder: ProjectFolder, cli: Cli) -> None:
    query = "select $region as r, last_day($month) as d, count(*) as n from trips group by all"
    table = f"t: {{partitions: [region, month], columns: {{r: string, d: date32, n: int64}}, sql: '{query}'}}"
    assert validate(folder, cli, table) == ""
    assert "`d` is declared int64" in validate(folder, cli, table.replace("d: date32", "d: int64"))


def test_query_with_a_param_that_is_no_dimension_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    found = validate(folder, cli, "t: {partitions: [month], sql: select $region as r from trips}")
    assert "the query has a param `$region`, and `params` has no value" in found


@pytest.mark.parametrize(
    ("table", "top", "message"),
    [
        (
            "t: {partitions: [month], inputs: [trips], params: {month: 1}}",
            "",
            "dimension `month` of table `t` and one of its params have one name",
        ),
        (
            "t: {partitions: [month], inputs: [trips]}",
            "params: {month: 1}\n",
            "dimension `month` of table `t` has the name of a param of the project",
        ),
        (
            "t: {partitions: [month]}\nmonth: {kind: source}",
            "",
            "dimension `month` of table `t` has the name of a table",
        ),
    ],
)
def test_dimension_that_could_be_another_is_refused(
    folder: ProjectFolder, cli: Cli, table: str, top: str, message: str
) -> None:
    found = validate(folder, cli, table, "def t(trips, month): ...\n", top)
    assert message in found
    assert "\n1 problem\n" in found


def test_results_of_one_function_share_their_partitions(folder: ProjectFolder, cli: Cli) -> None:
    tables = "a: {function: t, output: a, partitions: [month]}\nb: {function: t, output: b}"
    found = validate(folder, cli, tables, "def t(trips): ...\n")
    assert "`partitions` of table `b` is not that of table `a`, and `t` computes both at once" in found


def test_dimension_that_is_wrong_is_reported_once(folder: ProjectFolder, cli: Cli) -> None:
    table = "{partitions: [month], inputs: {a: {table: trips, at: {month: -1}}}}"
    source = "{kind: source, path: 'raw/{month:%Y-%m}'}"
    folder.declare(f"{{trips: {source}, t: {table}}}", "def t(a): ...\n", top="dimensions: {month: {every: moon}}\n")
    found = cli("validate").err
    assert "`every` of dimension `month` is" in found
    assert found.endswith("\n1 problem\n")


def test_partitions_are_declared_in_python(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "tables.py",
        """
        from lakehouse_cli import Column, Lakehouse, computed_table, source_table

        trips = source_table(path="raw/{region}/trips_{day:%Y-%m-%d}", name="trips", columns=[Column("id", "int64")])

        @computed_table(
            partitions=["region", "month"],
            inputs={"trips": trips, "before": {"table": trips, "at": {"month": [-2, -1]}, "missing": "skip"}},
            on_code_change="new",
        )
        def monthly(trips, before, month, region):
            return trips

        @computed_table(partitions=["region", "month"], inputs={"x": {"table": 5, "at": {"month": -1}}})
        def wrong(x):
            return x

        lakehouse = Lakehouse([monthly], dimensions={"month": {"every": "month", "start": "2024-01"}})
        """,
    )
    assert cli("-m", "tables", "validate").err == ""
    folder.edit("tables.py", "[monthly]", "[monthly, wrong]")
    assert "`inputs` of table `wrong` has `5`, which is no table" in cli("-m", "tables", "validate").err


def test_tables_are_read_anew_where_a_dimension_changed(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("tables.yaml", "tables:\n  trips: {kind: source, path: 'raw/{month:%Y-%m}', columns: {id: int64}}\n")
    folder.write("lakehouse.yaml", "name: x\ninclude: [tables.yaml]\ndimensions: {month: {every: month}}\n")
    assert cli("ls").code == 0
    assert cli("ls").code == 0  # which keeps what it read
    folder.edit("lakehouse.yaml", "every: month", "every: day")
    assert "placeholder `{month:%Y-%m}` of table `trips` is a month by its format" in cli("ls").err
