"""Assets that are not tables: computed, stored, handed on, described, compared, copied and cleaned as tables are."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lakehouse_cli import Project
from tests.cli.running import running
from tests.conftest import Cli, ProjectFolder

PROJECT = """
name: assets
module: transforms
storages: {default: {root: data}}
environments:
  prod: {storages: {default: {root: prod}}}
  dev: {storages: {default: {root: dev}}}
  memory: {storages: {default: {root: "memory://assets"}}}
tables:
  points: {columns: {x: int64}}
  model: {format: pickle}
  scores: {columns: {x: int64, y: int64}}
  metrics: {format: json}
  note: {format: text, path: reports/note}
  raw: {format: bytes, inputs: [note]}
  page: {format: html, inputs: [note]}
"""
TRANSFORMS = """
import pandas as pd

class Model:
    def __init__(self, factor):
        self.factor = factor

def points():
    return pd.DataFrame({"x": [1, 2, 3]})

def model(points) -> Model:
    return Model(len(points))

def scores(points, model: Model):
    return points.assign(y=points["x"] * model.factor)

def metrics(scores, model: "Model") -> dict:
    return {"sum": int(scores["y"].sum()), "by": {"factor": model.factor, "big": 2**60 + 1}}

def note(metrics: dict) -> str:
    return f"sum {metrics['sum']}\\n"

def raw(text: str) -> bytes:
    return text.encode()

def page(text: str) -> str:
    return f"<p>{text}</p>"
"""
NAMES = ["points", "model", "scores", "metrics", "note", "raw", "page"]


@pytest.fixture
def assets(folder: ProjectFolder) -> ProjectFolder:
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", TRANSFORMS)
    return folder


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_assets_pass_from_one_to_the_next(assets: ProjectFolder, cli: Cli, executor: str) -> None:
    done = cli("run", "--executor", executor, "-o", "json").json
    assert {each["name"]: (each["status"], each["rows"]) for each in done["tables"]} == {
        name: ("materialized", 3 if name in ("points", "scores") else None) for name in NAMES
    }
    assert assets.files() == [
        *("metrics.json", "model.pkl", "page.html", "points.csv", "raw.bin", "reports/note.txt", "scores.csv"),
    ]
    assert assets.read("data/scores.csv") == "x,y\n1,3\n2,6\n3,9\n"
    assert json.loads(assets.read("data/metrics.json")) == {"sum": 18, "by": {"factor": 3, "big": 2**60 + 1}}
    assert assets.read("data/raw.bin") == "sum 18\n"
    assert set(cli("run", "-o", "json").statuses.values()) == {"unchanged"}
    # Alone, from where they are stored.
    assert cli("run", "--force", "scores", "raw", "--executor", executor).code == 0


@pytest.mark.parametrize("form", ["pickle", "joblib"])
def test_each_transform_changes_objects_of_its_own(folder: ProjectFolder, cli: Cli, form: str) -> None:
    outputs = "one: {format: json}\n  two: {format: json}"
    folder.write(
        "lakehouse.yaml",
        f"name: own\nmodule: transforms\ntables:\n  points: {{columns: {{x: int64}}}}\n"
        f"  kept: {{format: {form}}}\n  {outputs}\n  array: {{format: json}}\n",
    )
    code = """
        import pandas as pd

        def points():
            return pd.DataFrame({"x": [1, 2]})

        def kept(points) -> dict:
            return {"frame": points, "array": points["x"].to_numpy(), "list": [1]}

        def one(kept) -> list:
            kept["frame"].loc[:, "x"] = 7
            kept["array"][0] = 8
            kept["list"].append(9)
            return [kept["frame"]["x"].tolist(), kept["array"].tolist(), kept["list"]]

        def two(kept) -> list:
            return one(kept)

        def array(points) -> list:
            points.loc[:, "x"] = 0
            points["x"].to_numpy()[0] = 1
            return []
        """
    folder.write("transforms.py", code)
    done = cli("run")
    assert [json.loads(folder.read(f"data/{name}.json")) for name in ("one", "two")] == [[[7, 7], [8, 2], [1, 9]]] * 2
    assert "`array` raised ValueError: assignment destination is read-only (transforms.py:" in done.err
    assert "next: arrays of inputs and frames share their memory; change a copy: `array = array.copy()`" in done.err
    folder.edit("transforms.py", '["x"].to_numpy()[0]', '["x"].to_numpy().copy()[0]')
    assert (cli("run").code, folder.read("data/points.csv")) == (0, "x\n1\n2\n")


def test_assets_in_memory_storage(assets: ProjectFolder) -> None:
    project = Project.load(assets.path, env="memory")
    assert project.run().status == "success"
    assert project.run("raw", force=True)["raw"].status == "materialized"
    assert project.read("model").factor == 3
    assert Path(project.local_copy("page")).read_text() == "<p>sum 18\n</p>"


def test_early_cut_off_asks_for_bytes_and_the_code_of_pickles(assets: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assets.edit("transforms.py", "return Model(len(points))", "return Model(int(len(points)))")
    assets.edit("transforms.py", 'return f"sum', 'return "" + f"sum')
    done = cli("run", "-o", "json").statuses
    assert {name for name, status in done.items() if status == "materialized"} == {"model", "scores", "metrics", "note"}
    assert set(cli("run", "-o", "json").statuses.values()) == {"unchanged"}
    # Of what is plain data the bytes decide alone; other code made the same pickle, and `diff` knows it too.
    assets.edit("transforms.py", "Model(int(len(points)))", "Model(len(points) + 0)")
    compared = {each["name"]: each for each in cli("diff", "-o", "json").json["tables"]}
    assert {each["status"] for each in compared.values()} == {"equal"}
    assert compared["scores"]["notes"] == []
    assert compared["note"]["notes"] == ["inputs came out the same"]


def test_an_asset_is_described(assets: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    never = cli("show", "model")
    assert (never.code, "`model` was never materialized" in never.err) == (1, True)
    assert cli("run").code == 0
    shown = cli("show", "model")
    assert "transforms.Model" in shown.out
    assert "from          points" in shown.out
    document = cli("show", "model", "-o", "json").json
    assert (document["format"], document["row_count"], document["inputs"]) == ("pickle", None, ["points"])
    assert document["bytes"] == (assets.path / "data/model.pkl").stat().st_size
    assert cli("show", "page", "--out", "page.html", "-o", "json").json["bytes"] == 14
    assert assets.read("page.html") == "<p>sum 18\n</p>"
    again = cli("show", "page", "--out", "page.html")
    assert (again.code, "`page.html` is there already" in again.err) == (2, True)
    assert cli("show", "page", "--out", "-").out == "<p>sum 18\n</p>"
    assert [cli("show", *given).code for given in (("scores", "--out", "-"), ("page", "--out", "-", "-o", "json"))] == [
        2,
        2,
    ]
    assert cli("show", "scores", "--out", "x").code == 2
    assert cli("show", "page", "--out", "x", "--version", "1").code == 2
    opened = cli("open", "page")
    assert (opened.code, opened.out) == (0, f"{assets.path / 'data/page.html'}\n")
    listed = {each["name"]: each["format"] for each in cli("ls", "-o", "json").json["tables"]}
    assert (listed["model"], listed["points"]) == ("pickle", "csv")
    asked = cli("sql", "from model")
    assert (asked.code, "`model` is stored as pickle, and a query reads tables" in asked.err) == (2, True)


def test_assets_are_copied_compared_and_cleaned(assets: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert cli("copy", "--from", "default", "--to", "prod").code == 0
    assert set(cli("run", "-e", "prod", "-o", "json").statuses.values()) == {"unchanged"}
    # What a copy brought is ours.
    assert cli("run", "-e", "prod", "--force", "scores").code == 0
    assets.edit("transforms.py", '"big": 2**60 + 1', '"big": 2**60 + 2, "new": [1]')
    compared = {each["name"]: each for each in cli("diff", "-o", "json").json["tables"]}
    assert compared["metrics"]["status"] == "different"
    assert (compared["metrics"]["rows"], compared["metrics"]["changed"]) == ({"before": None, "after": None}, 1)
    assert compared["metrics"]["examples"]["added"] == [{"key": "$.by.new[0]", "value": "1"}]
    assert compared["note"]["status"] == "equal"
    assert cli("run", "metrics").code == 0
    against = {each["name"]: each for each in cli("diff", "--against", "prod", "-o", "json").json["tables"]}
    assert (against["metrics"]["status"], against["model"]["status"]) == ("different", "equal")
    deferred = cli("run", "-e", "dev", "--defer", "prod", "scores", "-o", "json")
    assert deferred.statuses == {"scores": "materialized"}
    assets.edit("lakehouse.yaml", "  model: {format: pickle}\n  scores: {columns: {x: int64, y: int64}}\n", "")
    assets.edit(
        "lakehouse.yaml", "  metrics: {format: json}\n", "  metrics: {format: json, inputs: [], function: nothing}\n"
    )
    assets.add("transforms.py", "\ndef nothing(): return {'sum': 0}\n")
    assert cli("clean", "--yes").code == 0
    assert "model.pkl" not in assets.files()


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        ("other bytes", "`model` was modified outside lakehouse, and is not loaded"),
        ("no manifest", "`model` was not created by lakehouse (no manifest), and is not loaded"),
        ("other project", "`model` was stored by project `others`, and is not loaded in `assets`"),
        ("broken manifest", "manifests/model.json cannot be used: it is not JSON (line 1)"),
    ],
)
def test_a_pickle_of_others_is_never_loaded(
    assets: ProjectFolder, cli: Cli, tamper: str, message: str, tmp_path: Path
) -> None:
    assert cli("run").code == 0
    manifest = assets.path / "data/.lakehouse/manifests/model.json"
    if tamper == "no manifest":
        manifest.unlink()
    elif tamper == "broken manifest":
        manifest.write_text("{")
    elif tamper == "other project":
        manifest.write_text(manifest.read_text().replace('"project": "assets"', '"project": "others"'))
    if tamper != "other project":
        (assets.path / "data/model.pkl").write_bytes(pickle.dumps(Trap(str(tmp_path / "sprung"))))
    assets.edit("transforms.py", "* model.factor", "* model.factor * 1")
    planned = cli("plan", "scores", "-o", "json").json["tables"][-1]
    assert message in planned["would_fail"]
    assert not [each for each in planned["reasons"] if "columns are" in each["message"]]
    done = cli("run", "scores", "--force")
    assert done.code == 1
    assert message in done.out + done.err
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(Exception, match=r"is not loaded|is not JSON"):
        Project.load(assets.path).read("model")
    # The way out that the hint names.
    assert cli("run", "--force", "model").code == 0
    assert cli("run", "scores", "--force").code == 0


def test_a_foreign_pickle_does_not_become_ours_by_a_copy(assets: ProjectFolder, cli: Cli, tmp_path: Path) -> None:
    assert cli("run").code == 0
    (assets.path / "data/model.pkl").write_bytes(pickle.dumps(Trap(str(tmp_path / "sprung"))))
    assert cli("copy", "--from", "default", "--to", "prod").code == 1
    assert cli("copy", "--from", "default", "--to", "prod", "--force").code == 0
    done = cli("run", "-e", "prod", "scores", "--force")
    assert (done.code, "`model` was copied as it was, computed by no run, and is not loaded" in done.err) == (1, True)
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path(self.path).touch, ()


def test_a_pickle_that_cannot_be_loaded_says_where(assets: ProjectFolder, cli: Cli) -> None:
    assets.edit(
        "transforms.py",
        "class Model:",
        "class Model:\n    def __setstate__(self, state):\n        raise KeyError('w')\n",
    )
    done = cli("run", "scores", "model", "points")
    assert done.code == 1
    line = assets.read("transforms.py").splitlines().index("        raise KeyError('w')") + 1
    assert f"`model` cannot be loaded as pickle: KeyError: 'w' (transforms.py:{line})" in done.err
    assert f"next: correct transforms.py:{line}, or have `model` return what can be loaded" in done.err


def test_other_versions_of_packages_are_noted(assets: ProjectFolder, cli: Cli) -> None:
    assets.edit("transforms.py", "self.factor = factor", "self.factor = pd.Series([factor])")
    assets.edit("transforms.py", 'return points.assign(y=points["x"] * model.factor)', "return points.assign(y=3)")
    assert cli("run", "scores", "model", "points").code == 0
    manifest = assets.path / "data/.lakehouse/manifests/model.json"
    recorded = json.loads(manifest.read_text())["object"]
    assert recorded["type"] == "transforms.Model"
    assert {"pandas", "numpy"} <= recorded["packages"].keys()
    version = recorded["packages"]["pandas"]
    manifest.write_text(
        manifest.read_text()
        .replace('"packages":{"numpy":', '"packages":{"gone":"2","numpy":')
        .replace(f'"pandas":"{version}"}}}}', '"pandas":"1.0"}}')
    )
    done = cli("run", "scores", "--force", "-o", "json").json["tables"][0]
    assert done["notes"] == [
        "`model` was made with gone 2, not installed here",
        f"`model` was made with pandas 1.0, here {version}",
    ]


def problems(cli: Cli) -> str:
    done = cli("validate")
    assert done.code == 3
    return done.err


def test_what_an_asset_cannot_have_is_refused_at_load(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: wrong
        module: transforms
        storages: {default: {root: data}, db: {root: x.duckdb, type: duckdb}}
        tables:
          a: {format: pickle, columns: {x: int64}, key: [x]}
          b: {format: joblib, kind: source}
          c: {format: png, storage: db}
          d: {format: html, sql: select 1}
          e: {sql: select * from f}
          f: {format: text}
          g: {format: picle}
        """,
    )
    folder.write("transforms.py", "def a(): ...\ndef c(): ...\ndef f(): ...\ndef g(): ...\n")
    said = problems(cli)
    for each in (
        "`columns` of table `a`, stored as pickle, which is no table\n  lakehouse.yaml:5:23",
        "`key` of table `a`, stored as pickle",
        "table `b` is a source stored as joblib: to read one runs whatever code its bytes name\n  lakehouse.yaml:6:15",
        "storage `db` holds tables alone, and table `c` is stored as png\n  lakehouse.yaml:7:15",
        "`sql` of table `d`, stored as html",
        "did you mean `pickle`",
    ):
        assert each in said
    folder.write(
        "lakehouse.yaml",
        "name: wrong\nmodule: transforms\ntables:\n  e: {sql: select * from f}\n  f: {format: text}\n",
    )
    assert "the query of `e` reads `f`, which is stored as text and no table" in problems(cli)
    folder.write("lakehouse.yaml", "name: wrong\ntables:\n  d: {format: pickle, sql: select 1}\n")
    assert "module" not in problems(cli)


@pytest.mark.parametrize(
    ("form", "result", "message", "hint"),
    [
        ("pickle", "lambda: 1", "the result of `a` cannot be stored as pickle", "no lambda"),
        ("pickle", "(x for x in [1])", "cannot pickle 'generator' object", "generator"),
        ("pickle", "local()", "local object", "define it at the top of its module"),
        ("pickle", "Half()", "ValueError: half-way", "pickle"),
        ("json", "{'a': {1: 2}}", "result of `a`: `$.a` has the key 1", "texts"),
        ("text", "b'x'", "result of `a`: a bytes cannot be stored as text, which takes a str", "decode"),
        ("png", "pd.DataFrame()", "cannot be stored as png", "a figure of matplotlib or plotly"),
        ("bytes", "None", "None cannot be stored as bytes", "return"),
    ],
)
def test_a_result_of_the_wrong_type_leaves_what_is_stored(
    folder: ProjectFolder, cli: Cli, form: str, result: str, message: str, hint: str
) -> None:
    code = "import pandas as pd\nclass Half:\n    def __reduce__(self): raise ValueError('half-way')\n"
    code += "def local():\n    class Model: ...\n    return Model()\n"
    right = {"pickle": "1", "json": "1", "text": "'x'", "png": r"b'\\x89PNG\r\n\x1a\n'", "bytes": "b'x'"}[form]
    right = right.replace("\\\\", "\\")
    folder.declare(f"a: {{format: {form}}}", f"{code}def a(): return {right}\n")
    assert cli("run").code == 0
    before = {name: (folder.path / "data" / name).read_bytes() for name in folder.files()}
    folder.write("transforms.py", f"{code}def a(): return {result}\n")
    done = cli("run")
    assert done.code == 1
    assert message in done.err
    assert hint in done.err
    assert "Traceback" not in done.err
    assert {name: (folder.path / "data" / name).read_bytes() for name in folder.files()} == before


def test_none_is_stored_where_it_is_meant(folder: ProjectFolder, cli: Cli) -> None:
    forms = ("pickle", "joblib", "json")
    tables = "\n".join(f"{form}1: {{format: {form}}}\n{form}2: {{format: {form}}}" for form in forms)
    code = "".join(f"def {form}1(): {{}}\ndef {form}2() -> 'dict | None': return\n" for form in forms)
    folder.declare(tables, code)
    tables = cli("run", "-o", "json").json["tables"]
    assert folder.files() == ["joblib2.joblib", "json2.json", "pickle2.pkl"]
    errors = {each["name"]: each["error"] for each in tables if each["error"]}
    assert set(errors) == {"pickle1", "joblib1", "json1"}
    hint = "did it forget to `return`? Where None is meant, annotate it: `-> … | None`"
    assert {each["hint"] for each in errors.values()} == {hint}


def test_storage_that_an_environment_makes_a_database(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: wrong
        module: transforms
        environments: {prod: {storages: {default: {root: x.duckdb, type: duckdb}}}}
        tables:
          a: {format: pickle}
          b: {format: file, options: {suffix: .tif}}
          c: {format: json}
        """,
    )
    folder.write(
        "transforms.py",
        """
        from collections import OrderedDict
        from lakehouse_cli import Target
        def a(): ...
        def b(a: OrderedDict, out: Target): ...
        def c(a: OrderedDict) -> dict: ...
        """,
    )
    done = cli("validate", "-e", "prod", "-o", "json")
    assert done.code == 3
    problems = done.json["error"]["problems"]
    assert [each["message"] for each in problems] == [
        f"storage `default` holds tables alone, and table `{name}` is stored as {format_name}"
        for name, format_name in (("a", "pickle"), ("b", "file"), ("c", "json"))
    ]
    assert "environment `prod`" in problems[0]["hint"]


def test_json_with_columns_is_a_table_and_so_is_what_a_storage_says(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: forms
        module: transforms
        storages: {default: {root: data, format: json}}
        tables:
          rows: {format: json, columns: {x: int64}, function: table}
          inherited: {function: table}
          value: {format: json}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import pandas as pd

        def table():
            return pd.DataFrame({"x": [1]})

        def value(rows, inherited):
            return [len(rows), list(inherited["x"])]
        """,
    )
    assert cli("run").code == 0
    assert json.loads(folder.read("data/value.json")) == [1, [1]]
    # What was a table and is a value now is out of date, and not read as what it was not.
    folder.edit("lakehouse.yaml", "rows: {format: json, columns: {x: int64}, function: table}", "rows: {format: json}")
    folder.add("transforms.py", "\ndef rows(): return [{'x': 1}]\n")
    assert "`rows` was stored in another way" in cli("show", "rows").err
    assert cli("run", "rows").code == 0
    assert Project.load(folder.path).read("rows") == [{"x": 1}]


def test_assets_are_declared_in_python(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "shop.py",
        """
        from lakehouse_cli import Lakehouse, computed_asset, computed_table

        @computed_asset(format="json")
        def metrics() -> dict:
            return {"n": 1}

        @computed_asset(format="text")
        def note(metrics: dict) -> str:
            return str(metrics["n"])

        project = Lakehouse(assets=[note, metrics], name="shop", storages={"default": {"root": "data"}})
        """,
    )
    assert cli("-m", "shop", "run", "-o", "json").statuses == {"metrics": "materialized", "note": "materialized"}
    # The same in YAML is up to date: the decorators are no part of the functions.
    folder.write(
        "lakehouse.yaml",
        """
        name: shop
        module: shop
        storages: {default: {root: data}}
        tables: {metrics: {format: json}, note: {format: text}}
        """,
    )
    assert set(cli("run", "-o", "json").statuses.values()) == {"unchanged"}


@pytest.mark.slow
def test_the_page_says_what_happens(folder: ProjectFolder, cli: Cli) -> None:
    pytest.importorskip("sklearn")
    page = (Path(__file__).parents[2] / "docs" / "assets.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(yaml|python)\n(.*?)```", page, re.DOTALL)
    folder.write("lakehouse.yaml", next(text for kind, text in blocks if kind == "yaml"))
    folder.write("transforms.py", next(text for kind, text in blocks if kind == "python"))
    split = next(text for kind, text in blocks if kind == "yaml" and "output: train" in text)
    folder.add("lakehouse.yaml", split.removeprefix("tables:\n"))
    folder.add("transforms.py", next(text for kind, text in blocks if kind == "python" and "def split" in text))
    customers = pd.DataFrame({"age": [20, 60] * 5, "months": [*range(10)], "left": [True, False] * 5})
    (folder.path / "data").mkdir()
    customers.to_parquet(folder.path / "data" / "customers.parquet")
    assert cli("run").code == 0
    assert json.loads(folder.read("data/metrics.json")) == {"accuracy": 1.0}
    assert json.loads(folder.read("data/facts.json")) == {"rows": 10}
    assert (folder.path / "data/reports/chart.png").read_bytes().startswith(b"\x89PNG")


def test_pickle_of_what_another_holds_counts_by_the_code_of_both(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/src.csv", "n\n1\n")
    folder.write("models.py", "class Model:\n    def predict(self): return 1\n")
    code = """
        from models import Model
        def model(src): return Model()
        def bundle(model): return {"model": model}
        def score(bundle): return bundle["model"].predict()
    """
    tables = "src: {kind: source, columns: {n: int64}}\nmodel: {format: pickle}\n"
    folder.declare(f"{tables}bundle: {{format: pickle}}\nscore: {{format: json}}\n", code)
    assert cli("run").code == 0
    folder.edit("models.py", "return 1", "return 2")
    compared = cli("diff", "-o", "json")
    assert {t["name"]: t["status"] for t in compared.json["tables"]}["score"] == "different"
    # Alone, it is computed by the class of today from what was made by that of before, and is not taken for either.
    assert cli("run", "score").code == 0
    assert folder.read("data/score.json") == "2\n"
    folder.edit("models.py", "return 2", "return 1")
    assert cli("run", "-o", "json").statuses["score"] == "materialized"
    assert folder.read("data/score.json") == "1\n"
    folder.edit("models.py", "return 1", "return 3")
    assert cli("run", "-o", "json").statuses == dict.fromkeys(("model", "bundle", "score"), "materialized")
    assert folder.read("data/score.json") == "3\n"
    assert cli("plan", "--exit-code").code == 0


def test_diff_goes_on_where_json_has_other_bytes(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/src.csv", "n\n1\n")
    code = """
        def o(src): return {"a": 1, "b": 2}
        def first(o): return next(iter(o))
    """
    folder.declare("src: {kind: source, columns: {n: int64}}\no: {format: json}\nfirst: {format: text}\n", code)
    assert cli("run").code == 0
    folder.edit("transforms.py", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}')
    compared = cli("diff", "-o", "json")
    assert {t["name"]: t["status"] for t in compared.json["tables"]} == {"o": "equal", "first": "different"}


def test_each_call_has_figures_of_its_own(folder: ProjectFolder, cli: Cli) -> None:
    from matplotlib import pyplot

    tables = "first: {format: png}\nsecond: {format: png}\nthird: {format: json}\n"
    draw = "    plt.plot([1, 2])\n    both.wait(30)\n    plt.title('t')\n    return plt.gcf()\n"
    folder.declare(
        tables,
        "import threading\nimport matplotlib.pyplot as plt\nboth = threading.Barrier(2)\n"
        f"def first():\n{draw}\ndef second():\n{draw}\ndef third(first, second):\n    return plt.get_fignums()\n",
    )
    mine = pyplot.figure("mine")
    try:
        assert cli("run", "--executor", "threads").code == 0
        assert pyplot.get_figlabels() == ["mine"]
        assert (folder.path / "data/first.png").read_bytes() == (folder.path / "data/second.png").read_bytes()
        assert json.loads(folder.read("data/third.json")) == []
        folder.edit("transforms.py", "    both.wait(30)\n", "")
        assert cli("run", "--executor", "serial", "-o", "json").statuses["first"] == "materialized"
        assert pyplot.gcf() is mine
        assert not mine.axes
    finally:
        pyplot.close(mine)
    # The module draws whatever is current.
    folder.edit("transforms.py", "return plt.gcf()", "return plt")
    errors = {each["name"]: each["error"] for each in cli("run", "-o", "json").json["tables"]}
    assert errors["first"]["hint"] == "return its figure: `plt.gcf()`"


def test_charts_stay_apart_where_calls_load_pyplot(folder: ProjectFolder) -> None:
    # `Series.plot` loads pyplot, and draws in the current figure.
    code = "import threading\nimport pandas as pd\ndrawn = threading.Event()\nboth = threading.Event()\n"
    draw = "    axes = pd.Series([1, 2]).plot()\n"
    code += f"def first():\n{draw}    drawn.set()\n    both.wait(30)\n    return axes.figure\n"
    code += f"def second():\n    drawn.wait(30)\n{draw}    both.set()\n    return axes.figure\n"
    folder.declare("first: {format: png}\nsecond: {format: png}\n", code)
    with running(folder.path, "run", "--executor", "threads") as run:
        assert run.ends() == 0, run
    assert (folder.path / "data/first.png").read_bytes() == (folder.path / "data/second.png").read_bytes()
