"""Params of the project, for one command by `--param`, and filled in from variables that nobody sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import UsageError
from tests.cli.test_secrets import kept
from tests.conftest import Cli, ProjectFolder

SECRET = "Zq7xR-Kw9pT-Vb3n"
OTHER = "Yp3mL-Wm4cD-Hs8k"


@pytest.fixture
def shop(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """Tables of one row that say which params they were given."""
    monkeypatch.setenv("TOKEN", SECRET)
    folder.write(
        "lakehouse.yaml",
        """
        name: shop
        module: transforms
        params:
          month: 2025-10
          top: 5
          rate: 0.5
          regions: [eu, us]
          open: true
          token: "${TOKEN}"
        environments:
          prod:
            storages: {default: {root: prod}}
            params: {month: 2025-11}
        tables:
          by_month: {inputs: []}
          by_top: {inputs: []}
          own: {params: {top: 3}}
          asked: {sql: select $top as top from by_month}
          called: {columns: {length: int64}, inputs: []}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import pyarrow as pa


        def row(**values):
            return pa.table({name: [str(value)] for name, value in values.items()})


        def by_month(month="none") -> pa.Table:
            return row(month=month)


        def by_top(*, top=1, rate, regions, open) -> pa.Table:
            return row(top=top, rate=rate, regions=regions, open=open)


        def own(by_month: pa.Table, top) -> pa.Table:
            return row(top=top)


        def called(token) -> pa.Table:
            print("calling with", token)
            return pa.table({"length": [len(token)]})
        """,
    )
    return folder


def reasons(cli: Cli, *argv: str) -> dict[str, list[str]]:
    """Why tables would run, by name."""
    tables = cli("plan", "-o", "json", *argv).json["tables"]
    return {each["name"]: [r["message"] for r in each["reasons"]] for each in tables if each["action"] == "run"}


def test_a_change_runs_what_takes_it(shop: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert reasons(cli) == {}
    assert shop.read("data/by_top.csv") == "top,rate,regions,open\n5,0.5,\"['eu', 'us']\",True\n"
    shop.edit("lakehouse.yaml", "top: 5", "top: 6")
    assert reasons(cli) == {"by_top": ["param `top`: 5 → 6"], "asked": ["param `top`: 5 → 6"]}
    assert reasons(cli, "--param", "top=7")["own"] == ["param `top`: 3 → 7"]
    assert reasons(cli, "by_month", "--param", "month=2025-12") == {"by_month": ["param `month`: 2025-10 → 2025-12"]}
    assert cli("run", "-e", "prod", "by_month").code == 0
    assert shop.read("prod/by_month.csv") == "month\n2025-11\n"


@pytest.mark.parametrize(
    ("param", "change"),
    [
        ("top=12", "param `top`: 5 → 12"),
        ("rate=1", "param `rate`: 0.5 → 1.0"),
        ("regions=[eu, 7]", 'param `regions`: ["eu", "us"] → ["eu", 7]'),
        ("open=false", "param `open`: true → false"),
    ],
)
def test_a_given_value_has_the_type_of_the_file(shop: ProjectFolder, cli: Cli, param: str, change: str) -> None:
    shop.edit("lakehouse.yaml", "  own: {params: {top: 3}}\n  asked: {sql: select $top as top from by_month}\n", "")
    assert cli("run", "by_top").code == 0
    assert reasons(cli, "by_top", "--param", param) == {"by_top": [change]}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (("top=1.5",), "error: param `top` is a whole number, not `1.5`\n  the file has a whole number: give one, or "),
        (("top=true",), "error: param `top` is a whole number, not `true`\n"),
        (("rate=12345678901234567",), "error: param `rate` is a number with a point, which keeps 15 digits, not `1234"),
        (("rate=x",), "error: param `rate` is a number, not `x`\n"),
        (("open=yes",), "error: param `open` is true or false, not `yes`\n"),
        (("regions=eu",), "error: param `regions` is a list, not `eu`\n  write it as in YAML: `[a, b]`\n"),
        (("regions=[eu",), "error: param `regions` is a list, not `[eu`\n"),
        (('regions=["e\x85u"]',), "error: param `regions` is a list, not `"),
        (("tpo=1",), "error: there is no param `tpo`\n  did you mean `top`?\n"),
        (("rate=1.2345678901234567890",), None),
        (("month",), "write a name, `=` and a value: `--param month=2025-10`"),
        (("top=1", "top=2"), "`top` is given twice"),
    ],
)
def test_what_cannot_be_given_is_refused(
    shop: ProjectFolder, cli: Cli, params: tuple[str, ...], message: str | None
) -> None:
    done = cli("plan", *(argument for each in params for argument in ("--param", each)))
    if message is None:  # no query takes it
        assert done.code == 0
        return
    assert done.code == 2
    assert message in done.err


def test_digits_that_a_query_would_lose_are_refused(shop: ProjectFolder, cli: Cli) -> None:
    query = '"select $rate as r, $regions as s, $month::decimal(38, 9) as m from by_month"'
    shop.edit("lakehouse.yaml", "select $top as top from by_month", query)
    shop.edit("lakehouse.yaml", "month: 2025-10", 'month: "7.5"')
    for param in ("rate=1.2345678901234567890", "regions=[1.2345678901234567890]"):
        done = cli("plan", "--param", param)
        assert (done.code, done.out) == (2, "")
        assert "has more digits than a number keeps, and a query takes it" in done.err
    assert cli("plan", "--param", "month=12345678901234567.890123456").code == 0, "a text keeps them"


def test_lists_of_several_types_are_not_for_queries(shop: ProjectFolder, cli: Cli) -> None:
    shop.edit("lakehouse.yaml", "select $top as top from by_month", "select $regions as r from by_month")
    assert cli("validate").code == 0
    message = "param `regions` is a list of several types, and a query takes lists of one"
    for given in ("[eu, 7]", "[true, 1]", "[[a], [1]]", "[{a: 1}, {b: 1}]"):
        done = cli("plan", "--param", f"regions={given}")
        assert (done.code, message in done.err) == (2, True), given
    assert cli("plan", "--param", "regions=[1, 2.5, null]").code == 0
    shop.edit("lakehouse.yaml", "[eu, us]", "[eu, 7]")
    done = cli("validate")
    assert (done.code, f"error: {message} (`asked`)\n  lakehouse.yaml:7:3\n" in done.err) == (3, True)
    shop.edit("lakehouse.yaml", "  asked: {", "  again: {sql: select $regions as r from by_month}\n  asked: {")
    assert f"error: {message} (`again`, `asked`)\n" in cli("validate").err
    shop.edit("lakehouse.yaml", "select $regions as r", "select 1 as r")
    assert cli("validate").code == 0, "a function takes them as they are"


def test_sql_takes_params_of_the_project(shop: ProjectFolder, cli: Cli) -> None:
    assert cli("run", "by_month").code == 0
    query = "select month = $month as same, $top as top from by_month"
    assert cli("sql", query, "-o", "json").json["rows"] == [{"same": True, "top": 5}]
    given = ("--param", "month=2025-11", "--param", "top=6")
    assert cli("sql", query, *given, "-o", "json").json["rows"] == [{"same": False, "top": 6}]
    for name, message in {
        "tpo": "the query has a param `$tpo`, which the project has not\n  did you mean `top`?",
        "token": "param `token` is filled in from a variable, and is not shown",
    }.items():
        done = cli("sql", f"select ${name} as x from by_month")
        assert (done.code, message in done.err) == (2, True)


def test_check_and_test_take_params(shop: ProjectFolder, cli: Cli) -> None:
    tests = "tests: [{name: one, expect: [{month: 2025-12}]}]"
    shop.edit(
        "lakehouse.yaml", "by_month: {inputs: []}", f"by_month: {{inputs: [], columns: {{month: string}}, {tests}}}"
    )
    assert cli("run", "by_month").code == 0
    assert cli("test", "by_month").code == 1
    assert cli("test", "by_month", "--param", "month=2025-12").code == 0
    assert cli("check", "by_month", "--param", "month=2025-12").code == 0
    for command in ("check", "test"):
        assert "there is no param `mnth`" in cli(command, "--param", "mnth=1").err


def test_failed_is_given_the_same_again(shop: ProjectFolder, cli: Cli) -> None:
    shop.edit("transforms.py", "    return row(top=top)", "    raise ValueError(top)")
    assert cli("run", "--param", "top=9", "--param", "month=2025-12").code == 1
    shown = cli("runs", "show", "last").out
    assert "given month=2025-12, top=9\n" in shown
    assert cli("run", "--failed").code == 1, "and once more"
    shop.edit("transforms.py", "    raise ValueError(top)", "    return row(top=top)")
    assert [*reasons(cli, "state:failed")] == ["own"]
    assert cli("run", "--failed").code == 0
    assert shop.read("data/own.csv") == "top\n9\n"
    assert reasons(cli, "own") == {"own": ["param `top`: 9 → 3"]}
    assert cli("run", "--failed").out.splitlines()[1].startswith("no table failed")


def test_failed_takes_what_it_is_given_first(shop: ProjectFolder, cli: Cli) -> None:
    shop.edit("transforms.py", "    return row(top=top)", "    raise ValueError(top)")
    assert cli("run", "own", "by_month", "--param", "top=9").code == 1
    shop.edit("transforms.py", "    raise ValueError(top)", "    return row(top=top)")
    shop.edit("lakehouse.yaml", "{top: 3}", "{top: three}")
    done = cli("run", "--failed")
    assert done.code == 2
    assert "error: param `top` of table `own` is a text, not `9`" in done.err
    shop.edit("lakehouse.yaml", "{top: three}", "{top: 3}")
    assert cli("run", "--failed", "--param", "top=4").code == 0
    assert shop.read("data/own.csv") == "top\n4\n"


def test_a_filled_in_param_is_shown_nowhere(shop: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [
        ("validate",),
        ("plan", "-o", "json"),
        ("run", "called", "-o", "json", "--executor", "processes"),
        ("run", "called", "--log-format", "json", "--force"),
        ("plan", "--param", f"token={OTHER}"),
        ("run", "called", "--param", f"token={OTHER}"),
        ("env", "-o", "json"),
        ("env", "prod"),
        ("runs", "show", "last", "-o", "json"),
        ("ls", "-o", "json"),
    ]
    for argv in commands:
        done = cli(*argv)
        assert done.code in (0, 1), done.err
        for text in (done.out, done.err, *kept(shop)):
            assert not any(secret[:8] in text for secret in (SECRET, OTHER)), (argv, text)
    assert shop.read("data/called.csv") == f"length\n{len(OTHER)}\n"
    assert reasons(cli, "called") == {"called": ["param `token` changed"]}
    monkeypatch.setenv("TOKEN", OTHER)
    assert reasons(cli, "called") == {}


def test_what_is_not_kept_is_asked_for(shop: ProjectFolder, cli: Cli) -> None:
    shop.edit("transforms.py", "[len(token)]", "[token]")
    failed = cli("run", "called", "--param", f"token={OTHER}")
    assert failed.code == 1
    assert "***" in failed.err
    again = cli("run", "--failed")
    assert again.code == 2
    assert "was given param `token` of `called`, and did not keep its value\n  give it again: `--param token=…`" in (
        again.err
    )
    shop.edit("transforms.py", "[token]", "[len(token)]")
    assert cli("run", "--failed", "--param", f"token={OTHER}").code == 0


def test_quotes_decide_what_is_filled_in(shop: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "12345678")
    assert cli("run", "called").code == 0
    shop.edit("lakehouse.yaml", '"${TOKEN}"', "${TOKEN}")
    assert reasons(cli, "called") == {"called": ["param `token` changed"]}
    assert "TypeError: object of type 'int' has no len()" in cli("run", "called").err


def test_a_table_may_fill_in_its_own(shop: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.edit("lakehouse.yaml", "int64}, inputs", 'int64}, params: {token: "x ${TOKEN}", y: "$${TOKEN}"}, inputs')
    shop.edit("transforms.py", "def called(token)", "def called(token, y)")
    shop.edit("transforms.py", "[len(token)]", "[len(token + y)]")
    assert cli("run").code == 0
    assert shop.read("data/called.csv") == f"length\n{len(SECRET) + 2 + len('${TOKEN}')}\n"
    assert not any(SECRET[:8] in text for text in kept(shop))
    monkeypatch.setenv("TOKEN", OTHER)
    assert reasons(cli) == {"called": ["param `token` changed"]}
    monkeypatch.delenv("TOKEN")
    unset = cli("plan")
    assert (unset.code, unset.err.count("environment variable `TOKEN` is not set")) == (3, 2)


def test_a_given_value_needs_no_variable(shop: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN")
    assert cli("run", "called").code == 3
    assert cli("run", "called", "--param", "token=12345").code == 0
    assert shop.read("data/called.csv") == "length\n5\n"
    monkeypatch.setenv("TOKEN", SECRET)
    shop.edit("lakehouse.yaml", "params: {month: 2025-11}", 'params: {token: "${NOWHERE}"}')
    assert cli("diff", "called", "--against", "prod").code == 1, "nothing is computed there"
    assert "environment variable `NOWHERE` is not set" in cli("plan", "-e", "prod").err


def test_tests_need_no_variable(shop: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN")
    tests = "tests: [{name: one, params: {token: abc}, expect: [{length: 3}]}]"
    shop.edit("lakehouse.yaml", "int64}, inputs: []}", f"int64}}, inputs: [], {tests}}}")
    assert cli("test").code == 0
    shop.edit("lakehouse.yaml", "params: {token: abc}, ", "")
    done = cli("test")
    assert done.code == 3
    assert "param `token` in test `one` of table `called` has no value" in done.err
    assert "give it one in the test: `params: {token: …}`, or set `TOKEN`" in done.err


def test_a_param_that_nothing_takes_is_noted(shop: ProjectFolder, cli: Cli) -> None:
    shop.edit("lakehouse.yaml", "  top: 5\n", "  top: 5\n  spare: 1\n")
    assert "param `spare` (lakehouse.yaml:6:3) is taken by no transform" in cli("validate", "-o", "json").json["notes"]


def test_env_shows_params(shop: ProjectFolder, cli: Cli) -> None:
    lines = [line.split() for line in cli("env").out.splitlines()]
    assert ["▸", "default", "month", "2025-10"] in lines
    assert ["token", "${TOKEN}"] in lines
    assert ["prod", "month", "2025-11"] in lines
    assert cli("env", "prod", "-o", "json").json["params"]["regions"] == ["eu", "us"]


def test_diff_computes_with_what_is_given(shop: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    done = cli("diff", "by_month", "--param", "month=2026-01", "-o", "json")
    assert done.code == 1
    assert "2026-01" in done.out
    refused = cli("diff", "--against", "prod", "--param", "month=2026-01")
    assert (refused.code, "with `--against` nothing is computed" in refused.err) == (2, True)


def test_python_gives_values_of_the_same_types(shop: ProjectFolder) -> None:
    project = Project.load(params={"top": 8, "regions": ("eu",), "rate": 2})
    assert project.tables["by_top"].params == {"top": 8, "rate": 2.0, "regions": ["eu"], "open": True}
    for wrong in ({"top": "8"}, {"top": True}, {"regions": [object()]}, {"open": 1}):
        with pytest.raises(UsageError, match=r"param `\w+` is "):
            Project.load(params=wrong)


def test_a_given_value_is_not_kept_for_later(shop: ProjectFolder, cli: Cli) -> None:
    assert cli("run", "--param", "top=9").code == 0
    assert cli("run").code == 0
    assert (Path(".lakehouse/cache/tables-default.json")).exists()
    assert shop.read("data/own.csv") == "top\n3\n"


@pytest.mark.parametrize("storage", ["{root: lake}", "{type: sqlite, root: lake.db}", "{type: delta, root: lake}"])
def test_partitions_know_the_order_of_their_params(folder: ProjectFolder, cli: Cli, storage: str) -> None:
    """They are up to date, whatever it is, and are not where it changes, as a transform may see it."""
    if "delta" in storage:
        pytest.importorskip("deltalake")
    folder.write("data/raw.csv", "v\n1\n")
    tables = """
raw: {kind: source, columns: {v: int64}}
daily: {storage: lake, partitions: [day], inputs: [raw], params: {zone: a, area: b}, columns: {v: int64}}
"""
    top = f"storages: {{lake: {storage}}}\ndimensions: {{day: {{every: day, start: 2024-01-01, end: 2024-01-02}}}}\n"
    folder.declare(tables, "def daily(raw, zone, area):\n    return raw\n", top=top)
    assert cli("run").code == 0
    assert "nothing to do" in cli("plan").out
    folder.edit("lakehouse.yaml", "{zone: a, area: b}", "{area: b, zone: a}")
    for _ in range(2):
        planned = cli("plan").out
        assert "2024-01-01 and day=2024-01-02: the params are in another order" in planned
    assert cli("run").code == 0
    assert "nothing to do" in cli("plan").out
