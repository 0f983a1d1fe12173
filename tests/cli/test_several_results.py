"""Functions with several results: called once, planned together, and stored together unless each says otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Cli, ProjectFolder

TABLES = """
points: {columns: {x: int64}}
train: {function: split, output: train, columns: {x: int64}, key: [x]}
used: {format: json}
test: {function: split, output: test, columns: {x: int64}}
info: {function: split, output: info, format: json}
"""
CODE = """
from pathlib import Path
from typing import NamedTuple
import pandas as pd
import pyarrow as pa

class Parts(NamedTuple):
    info: dict
    test: pd.DataFrame
    train: pd.DataFrame

def points():
    return pd.DataFrame({"x": range(4)})

def used(train, test):
    return [len(train), len(test)]

def split(points) -> dict[str, pd.DataFrame]:
    with open("calls", "a") as file:
        file.write("x")
    train, test, info = points[points["x"] > 0], points[points["x"] == 0], {"n": len(points)}
    return {"train": train, "test": test, "info": info}
"""
RETURN = 'return {"train": train, "test": test, "info": info}'


@pytest.fixture
def parts(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    folder.declare(TABLES, CODE)
    monkeypatch.chdir(folder.path)
    return folder


def statuses(cli: Cli, *arguments: str) -> dict[str, str]:
    return cli("run", "-o", "json", *arguments).statuses


def stored(folder: ProjectFolder) -> dict[str, str]:
    return {name: folder.read(f"data/{name}") for name in folder.files()}


@pytest.mark.parametrize(
    ("returned", "executor"),
    [
        (RETURN, "processes"),
        ("return Parts(info, test, train)", "threads"),
        ("return train, test, info", "serial"),
        (
            'def parts():\n        yield "train", train[:2]\n        yield "info", info\n'
            '        yield "test", pa.RecordBatch.from_pandas(test)\n'
            '        yield "train", train[2:]\n    return parts()',
            "threads",
        ),
    ],
    ids=["dict", "NamedTuple", "tuple", "generator"],
)
def test_one_call_gives_all_results(parts: ProjectFolder, cli: Cli, returned: str, executor: str) -> None:
    parts.edit("transforms.py", RETURN, returned)
    assert set(statuses(cli, "--executor", executor).values()) == {"materialized"}
    files = stored(parts)
    assert (files["train.csv"], files["test.csv"]) == ("x\n1\n2\n3\n", "x\n0\n")
    assert (json.loads(files["info.json"]), json.loads(files["used.json"])) == ({"n": 4}, [3, 1])
    assert parts.read("calls") == "x"
    assert set(statuses(cli).values()) == {"unchanged"}


def test_siblings_are_planned_together(parts: ProjectFolder, cli: Cli) -> None:
    assert statuses(cli, "points", "test") == dict.fromkeys(["points", "train", "test", "info"], "materialized")
    (parts.path / "data/test.csv").unlink()
    planned = {each["name"]: each["reasons"] for each in cli("plan", "train", "-o", "json").json["tables"]}
    assert planned["train"] == [{"code": "computed_with", "message": "computed with `test`"}]
    assert [each["code"] for each in planned["test"]] == ["missing_data"]
    assert statuses(cli, "train")["info"] == "materialized"
    # What a table is of a tuple depends on where it stands.
    parts.edit("lakehouse.yaml", "  test: {function: split, output: test", "  test: {function: split, output: other")
    parts.edit("transforms.py", '"test": test', '"other": test')
    planned = {each["name"]: each["reasons"] for each in cli("plan", "test", "-o", "json").json["tables"]}
    assert "output test (2 of 3) → other (2 of 3)" in [each["message"] for each in planned["test"]]


def test_results_of_two_calls_are_computed_anew(parts: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    name = "data/.lakehouse/manifests/test.json"
    before = parts.read(name), parts.read("data/test.csv")
    parts.write("calls", "")
    assert cli("run", "--force", "train").code == 0
    # What a run leaves that is killed before the second is stored.
    parts.write(name, before[0])
    parts.write("data/test.csv", before[1])
    parts.edit("transforms.py", "[len(train), len(test)]", "len(train)")
    (noted,) = cli("plan", "used", "-o", "json").json["tables"]
    both = "`test` and `train` are results of two calls of one function"
    assert noted["notes"] == [f"{both}: `lakehouse run test` computes them together"]
    planned = {each["name"]: each for each in cli("plan", "-o", "json").json["tables"]}
    reason = {"code": "computed_with", "message": "`train` is the result of a later call"}
    assert reason.items() <= planned["test"]["reasons"][0].items()
    assert {planned[each]["action"] for each in ("train", "test", "info")} == {"run"}
    assert statuses(cli)["train"] == "materialized"
    assert parts.read("calls") == "xx"
    assert set(statuses(cli).values()) == {"unchanged"}


def test_a_broken_contract_publishes_none(parts: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    before = stored(parts)
    parts.edit("transforms.py", '"train": train, "test": test', '"train": pd.concat([train, train]), "test": test[:0]')
    for executor in ("threads", "processes"):
        done = cli("run", "-o", "json", "--executor", executor)
        assert done.code == 1
        assert done.statuses == {
            "points": "unchanged",
            "train": "failed",
            "used": "skipped",
            "test": "skipped",
            "info": "skipped",
        }
        errors = {each["name"]: each["error"] for each in done.json["tables"]}
        assert errors["test"]["message"] == "`train` failed, and one call computes both"
        assert stored(parts) == before
    # All of which contracts are broken are reported.
    parts.edit("transforms.py", "test[:0]", 'test.assign(x="a")')
    assert [name for name, status in statuses(cli).items() if status == "failed"] == ["train", "test"]
    for name in ("train", "test", "info"):
        parts.edit("lakehouse.yaml", f"output: {name}", f"output: {name}, publish: each")
    parts.edit("transforms.py", 'test.assign(x="a")', "test[:0]")
    done_each = statuses(cli)
    assert (done_each["train"], done_each["test"], done_each["info"]) == ("failed", "materialized", "materialized")
    assert stored(parts)["test.csv"] == "x\n"


@pytest.mark.parametrize(
    ("returned", "failed", "message"),
    [
        (RETURN.replace("info}", "{1, 2}}"), "info", "set, and JSON holds"),
        (RETURN.replace("test}", "[1]}").replace('"test": test', '"test": [1]'), "test", "gave a list as `test`"),
        ('yield "info", {1, 2}\n    yield "train", train\n    yield "test", test', "info", "set, and JSON holds"),
    ],
    ids=["json", "no frame", "yielded"],
)
def test_a_result_that_cannot_be_stored_fails_alone(
    parts: ProjectFolder, cli: Cli, returned: str, failed: str, message: str
) -> None:
    parts.edit("transforms.py", RETURN, returned)
    done = cli("run", "-o", "json", "points", "train")
    assert done.statuses == {each: "failed" if each == failed else "skipped" for each in ("train", "test", "info")} | {
        "points": "materialized"
    }
    error = next(each["error"] for each in done.json["tables"] if each["name"] == failed)
    assert message in str(error)
    assert error["location"]["file"] == "transforms.py"
    assert parts.files() == ["points.csv"]
    for name in ("train", "test", "info"):
        parts.edit("lakehouse.yaml", f"output: {name}", f"output: {name}, publish: each")
    done_each = cli("run", "-o", "json")
    assert [name for name, status in done_each.statuses.items() if status == "failed"] == [failed]
    missing = {"train.csv", "test.csv", "info.json"} - set(parts.files())
    assert [name.partition(".")[0] for name in missing] == [failed]


def test_a_call_that_fails_is_tried_again_as_one(parts: ProjectFolder, cli: Cli) -> None:
    for name in ("train", "test", "info"):
        parts.edit("lakehouse.yaml", f"output: {name}", f"output: {name}, retries: 1, retry_delay: 0")
    parts.edit("transforms.py", "    train, test", '    assert Path("calls").read_text() != "x"\n    train, test')
    done = cli("run", "-o", "json").json["tables"]
    assert {each["name"]: (each["status"], each["attempts"]) for each in done} == {
        **dict.fromkeys(["train", "test", "info"], ("materialized", 2)),
        **dict.fromkeys(["points", "used"], ("materialized", 1)),
    }
    assert parts.read("calls") == "xx"
    parts.edit("transforms.py", '!= "x"', '== ""')
    done_again = cli("run", "-o", "json")
    by_name = {each["name"]: each for each in done_again.json["tables"]}
    assert (by_name["train"]["status"], by_name["train"]["attempts"]) == ("failed", 2)
    assert by_name["test"]["error"]["message"] == "`train` failed, and one call computes both"
    # Where each is published by itself, those that are right are stored after the last attempt.
    for name in ("train", "test", "info"):
        parts.edit("lakehouse.yaml", f"output: {name}", f"output: {name}, publish: each")
    parts.edit("transforms.py", 'Path("calls").read_text() == ""', "True")
    parts.edit("transforms.py", '"info": info', '"info": {1}')
    by_name = {each["name"]: each for each in cli("run", "-o", "json").json["tables"]}
    assert [(by_name[each]["status"], by_name[each]["attempts"]) for each in ("train", "info")] == [
        ("materialized", 2),
        ("failed", 2),
    ]


def test_diff_computes_them_once(parts: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    parts.edit("transforms.py", 'points["x"] > 0', 'points["x"] > 1')
    compared = {each["name"]: each["status"] for each in cli("diff", "-o", "json").json["tables"]}
    assert compared == {"points": "equal", "train": "different", "used": "different", "test": "equal", "info": "equal"}
    assert parts.read("calls") == "xx"


@pytest.mark.parametrize(
    ("returned", "message", "hint"),
    [
        ("return train", "`split` returned a DataFrame, and 3 tables are results of it", "NamedTuple"),
        ("return None", "`split` returned None", "dict"),
        ("return train, test", "a tuple of 2, and 3 tables", "`train`, `test`, `info`"),
        ('return {"train": train, "test": test}', "`split` returned no `info`, which table `info` is", "dict"),
        (RETURN.replace("}", ', "trian": 1}'), "`split` returned `trian`, which is the result of no table", "`train`"),
        (RETURN.replace("test}", "[1]}").replace("test,", "[1],"), "gave a list as `test`", "frame"),
        ('yield "tset", test', "yielded `tset`, which is the result of no table", "`test`"),
        ("yield test", "yielded a DataFrame", "name"),
        (RETURN.replace("info}", "None}"), "`split` gave None as `info`, to be stored as json", "dict[str, … | None]"),
        ("return Parts(None, test, train)", "`split` gave None as `info`", "`info: … | None` in a NamedTuple"),
        (
            'yield "info", None\n    yield "test", test\n    yield "train", train',
            "`split` gave None as `info`",
            "annotate it",
        ),
        ('yield "info", 1\n    yield "info", 2', "yielded `info` twice", "once"),
        ('yield "info", 1\n    raise ValueError("late")', "`split` raised ValueError: late", "transforms.py"),
    ],
)
def test_other_returns_are_refused(parts: ProjectFolder, cli: Cli, returned: str, message: str, hint: str) -> None:
    parts.edit("transforms.py", RETURN, returned)
    done = cli("run")
    assert done.code == 1
    assert message in done.err
    assert hint in done.err
    assert "Traceback" not in done.err
    assert parts.files() == ["points.csv"]


def test_none_that_is_meant_is_stored(parts: ProjectFolder, cli: Cli) -> None:
    parts.edit("transforms.py", RETURN, "return Parts(None, test, train)")
    parts.edit("transforms.py", "    info: dict", "    info: 'dict | None'")
    parts.edit("transforms.py", "-> dict[str, pd.DataFrame]", "-> Parts")
    assert (statuses(cli)["info"], parts.read("data/info.json")) == ("materialized", "null\n")
    parts.edit("transforms.py", "Parts(None, test, train)", '{"info": None, "test": test, "train": train}')
    parts.edit("transforms.py", "-> Parts", "-> dict[str, pd.DataFrame | None]")
    assert statuses(cli)["info"] == "materialized"
    parts.edit("transforms.py", "pd.DataFrame | None]", "pd.DataFrame]")
    assert statuses(cli)["info"] == "failed"


def test_tables_that_do_not_fit_together_are_refused(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        """
        a: {function: split, output: a}
        b: {function: split, output: a, params: {n: 1}}
        c: {function: split}
        d: {publish: each}
        e: {sql: select 1 as x, output: e}
        f: {function: two, output: f}
        g: {function: two, output: g, publish: each}
        h: {function: three, output: 5}
        i: {function: three, output: i}
        """,
        "def split(n=0): ...\ndef d(): ...\ndef two(): ...\ndef three(): ...\n",
    )
    done = cli("validate")
    assert done.code == 3
    for each in (
        "`output` of table `b` is that of table `a`",
        "`params` of table `b` is not that of table `a`, and `split` computes both at once",
        "function `split` gives several results, and table `c` does not say which",
        "`publish` of table `d` is for functions with several results",
        "`output` of table `e` is for functions",
        "table `g` says `publish: each`, and table `f`, which `two` computes too, does not",
        "add `publish: each` to all tables of the function, or to none",
        "`output` of table `h` is the name of a result, not `5`",
    ):
        assert each in done.err
    assert "`three` gives several results" not in done.err


def test_results_are_declared_in_python(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "shop.py",
        """
        import pandas as pd
        from lakehouse_cli import Lakehouse, computed_asset, computed_table

        def split():
            return {"even": pd.DataFrame({"x": [2]}), "count": 1}

        even = computed_table(split, name="even", output="even")
        count = computed_asset(split, name="count", output="count", format="json")
        project = Lakehouse(assets=[even, count], name="shop")
        """,
    )
    done: Any = cli("-m", "shop", "run", "-o", "json")
    assert done.statuses == {"even": "materialized", "count": "materialized"}


def test_tuple_follows_the_calls_that_declare(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/src.csv", "id\n1\n2\n")
    folder.write(
        "tables.py",
        """
        from lakehouse_cli import Lakehouse, computed_asset, computed_table, source_table
        src = source_table("src", columns={"id": "int64"})
        def split(src):
            return src.head(1), src.tail(1)
        train = computed_table(split, name="train", output="train", columns={"id": "int64"})
        test = computed_table(split, name="test", output="test", columns={"id": "int64"})
        @computed_asset(format="json")
        def score(test, train):
            return [test["id"].tolist(), train["id"].tolist()]
        listed = Lakehouse(assets=[test, train])
        named = Lakehouse(assets=[score])
        """,
    )
    for lakehouse in ("listed", "named"):
        assert cli("-m", f"tables:{lakehouse}", "run").code == 0
        assert (folder.read("data/train.csv"), folder.read("data/test.csv")) == ("id\n1\n", "id\n2\n")
    assert json.loads(folder.read("data/score.json")) == [[2], [1]]
