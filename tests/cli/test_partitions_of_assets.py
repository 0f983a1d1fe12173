"""Assets that are no tables, by partition."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from lakehouse_cli import Project
from tests.cli.test_partitions import MONTH, planned, put, run
from tests.conftest import Cli, ProjectFolder

ASSETS = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
model: {partitions: [day], inputs: [raw], format: pickle, gone: drop}
metrics: {partitions: [day], inputs: [model], format: json, gone: drop}
change:
  partitions: [day]
  inputs: {model: model, last: {table: model, at: {day: -1}}}
  gone: drop
  columns: {n: int64}
report: {partitions: [month], inputs: [model, page], format: json}
page: {partitions: [day], inputs: [metrics], format: html, path: "pages/{day:%Y%m%d}", gone: drop}
notes: {partitions: [day], inputs: [raw], format: folder, gone: drop}
word: {partitions: [day], inputs: [raw], format: text, gone: drop}
total: {inputs: [model, notes], columns: {day: date32, n: int64, text: string}}
"""
CODE = """
from pathlib import Path

import pyarrow as pa
from lakehouse_cli import Target

class Model:
    def __init__(self, n):
        self.n = n

def model(raw: pa.Table):
    return Model(raw.num_rows)

def metrics(model, day):
    return {"n": model.n, "day": str(day)}

def change(model, last) -> pa.Table:
    return pa.table({"n": [model.n - (0 if last is None else last.n)]})

def report(model, page):
    return {str(day): [each.n, page[day]] for day, each in model.items()}

def page(metrics):
    return f"<p>{metrics['n']}</p>"

def notes(raw: pa.Table, out: Target):
    out.mkdir(exist_ok=True)
    (out / "n.txt").write_text(str(raw.num_rows))

def word(raw: pa.Table):
    return "x" * raw.num_rows

def total(model, notes) -> pa.Table:
    texts = [(notes[day] / "n.txt").read_text() for day in model]
    return pa.table({"day": list(model), "n": [each.n for each in model.values()], "text": texts})
"""
DAYS = ("2024-01-30", "2024-01-31", "2024-02-01")
DEV = "environments:\n  dev: {storages: {default: {root: dev}}}\n  memory: {storages: {default: {root: 'memory://objects'}}}\n"


@pytest.fixture
def assets(folder: ProjectFolder) -> ProjectFolder:
    """A file a day, and what is made of it that is no table."""
    folder.declare(ASSETS, CODE, top=f"{MONTH}storages:\n  default: {{root: data}}\n{DEV}")
    for number, day in enumerate(DAYS, 1):
        put(folder, day, *range(number))
    return folder


def metrics(assets: ProjectFolder, root: str, day: str) -> object:
    return json.loads(assets.read(f"{root}/metrics/day={day}/data.json"))


def total(cli: Cli) -> list[tuple[str, int, str]]:
    return [(each["day"], each["n"], each["text"]) for each in cli("show", "total", "-o", "json").json["rows"]]


@pytest.mark.parametrize("options", [(), ("--executor", "processes"), ("--together",)], ids=str)
def test_objects_are_made_and_read_by_partition(assets: ProjectFolder, cli: Cli, options: tuple[str, ...]) -> None:
    done = run(cli, *options)
    assert done["model"] == dict.fromkeys(DAYS, "materialized")
    assert metrics(assets, "data", "2024-01-31") == {"n": 2, "day": "2024-01-31"}
    assert assets.read("data/pages/20240201.html") == "<p>3</p>"
    assert json.loads(assets.read("data/report/month=2024-01/data.json")) == {
        "2024-01-30": [1, "<p>1</p>"],
        "2024-01-31": [2, "<p>2</p>"],
    }
    assert [each["n"] for each in cli("show", "change", "-o", "json").json["rows"]] == [1, 1, 1]
    assert total(cli) == [("2024-01-30", 1, "1"), ("2024-01-31", 2, "2"), ("2024-02-01", 3, "3")]
    assert "nothing to do" in cli("plan").out
    put(assets, "2024-02-01", 1)
    again = run(cli, *options)
    assert again["metrics"] == again["change"] == {"2024-02-01": "materialized"}
    assert again["report"] == {"2024-02": "materialized"}
    assert total(cli)[-1] == ("2024-02-01", 1, "1")
    (assets.path / "data/raw/sales_2024-01-30.csv").unlink()
    assert run(cli, "model", "metrics", "change", *options)["model"] == {"2024-01-30": "dropped"}
    assert not (assets.path / "data/model/day=2024-01-30").exists()


def test_code_of_pickles_counts_for_what_loads_them(assets: ProjectFolder, cli: Cli) -> None:
    """The same bytes of other code may be another object, in each partition."""
    assert cli("run").code == 0
    assets.edit("transforms.py", "return Model(raw.num_rows)", "return Model(int(raw.num_rows))")
    done = run(cli)
    made = [done[name] for name in ("model", "metrics", "change")]
    assert made == [dict.fromkeys(DAYS, "materialized")] * 3
    assert done["page"] == dict.fromkeys(DAYS, "unchanged")  # the metrics came out the same
    assert done["total"] == "materialized"
    assert set(cli("run", "-o", "json").statuses.values()) == {"unchanged"}
    assets.edit("lakehouse.yaml", "format: pickle, gone: drop", "format: pickle, gone: drop, on_code_change: new")
    assets.edit("transforms.py", "Model(int(raw.num_rows))", "Model(raw.num_rows + 0)")
    assert {name: [*each] for name, each in planned(cli).items()} == {
        "metrics": [*DAYS],
        "change": [*DAYS],
        "report": ["2024-01", "2024-02"],
        "page": [*DAYS],
        "total": ["input_changed"],
    }


def test_pickle_of_others_is_not_loaded(assets: ProjectFolder, cli: Cli) -> None:
    assert cli("run", "model", "metrics").code == 0
    (assets.path / "data/model/day=2024-01-31/data.pkl").write_bytes(b"cposix\nsystem\n(S'touch sprung'\ntR.")
    done = cli("run", "metrics", "total", "notes", "-o", "json")
    assert done.code == 1
    errors = {each["name"]: each["error"] for each in done.json["tables"]}
    assert "`model/day=2024-01-31` was modified outside lakehouse, and is not loaded" in errors["metrics"]["message"]
    assert "`model/day=2024-01-31` was modified outside lakehouse" in errors["total"]["message"]
    assert errors["total"]["hint"] == "`lakehouse run --force model --partition day=2024-01-31` makes it anew"
    with pytest.raises(Exception, match="is not loaded"):
        Project.load(assets.path).read("model")
    assert not (assets.path / "sprung").exists()
    assert cli("run", "--force", "model", "--partition", "day=2024-01-31").code == 0
    assert cli("run", "metrics", "total", "notes").code == 0
    assets.edit("transforms.py", "for day in model]", "for day in [*model]]")
    assert cli("plan", "total", "-o", "json").json["tables"][-1].get("would_fail") is None


def test_partitions_are_read_shown_and_written(
    assets: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "`model` was never materialized" in cli("show", "model").err
    assert cli("run").code == 0
    project = Project.load(assets.path)
    last = date(2024, 2, 1)
    assert project.read("model", {"day": last}).n == 3
    assert {day: each.n for day, each in project.read("model", {"day": "2024-01-30..2024-01-31"}).items()} == {
        date(2024, 1, 30): 1,
        date(2024, 1, 31): 2,
    }
    assert [*project.read("metrics")] == [*map(date.fromisoformat, DAYS)]
    assert project.read("page", {"day": last}) == "<p>3</p>"
    assert {(each / "n.txt").read_text() for each in project.read("notes").values()} == {"1", "2", "3"}
    shown = cli("show", "model", "-o", "json").json
    assert (shown["type"], shown["inputs"]) == ("transforms.Model", ["raw"])
    assert shown["partitions"] == [{"day": day} for day in DAYS]
    assert "partitions    day=2024-01-30 to day=2024-02-01" in cli("show", "model").out
    one = cli("show", "model", "--partition", "day=2024-02-01", "-o", "json").json
    assert one["partitions"] == [{"day": "2024-02-01"}]
    assert one["bytes"] == (assets.path / "data/model/day=2024-02-01/data.pkl").stat().st_size
    assert shown["bytes"] > one["bytes"]
    page = ("--partition", "day=2024-02-01")
    assert cli("show", "page", "--out", "-", *page).out == cli("show", "page", "--out", "-", *page).out == "<p>3</p>"
    several = cli("show", "page", "--out", "page.html")
    assert (several.code, "`page` has 3 partitions, day=2024-01-30 to day=2024-02-01" in several.err) == (2, True)
    assert "name one: `--partition day=2024-01-30`" in several.err
    assert cli("show", "notes", "--out", "written", *page).code == 0
    assert assets.read("written/n.txt") == "3"
    opened = cli("open", "page", *page)
    assert (opened.code, opened.out) == (0, f"{assets.path / 'data/pages/20240201.html'}\n")
    assert cli("open", "page").code == 2
    assert Path(cli("open", "notes", *page).out.strip(), "n.txt").read_text() == "3"


def test_objects_are_copied_compared_and_cleaned(assets: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert cli("copy", "--from", "default", "--to", "dev", "model", "metrics", "page", "notes").code == 0
    assert metrics(assets, "dev", "2024-02-01") == {"n": 3, "day": "2024-02-01"}
    again = cli("copy", "--from", "default", "--to", "dev", "model", "metrics", "-o", "json").json["tables"]
    assert {each["status"] for each in again} == {"unchanged"}
    assert "nothing to do" in cli("plan", "-e", "dev", "--defer", "default", "metrics", "page").out
    names = ("model", "metrics", "page", "notes")
    same = cli("diff", "--against", "dev", *names, "-o", "json").json["tables"]
    assert {each["status"] for each in same} == {"equal"}
    put(assets, "2024-01-31", 1)
    assets.edit("transforms.py", '"n": model.n,', '"n": model.n, "more": 1,')
    compared = {each["name"]: each for each in cli("diff", "model", "metrics", "-o", "json").json["tables"]}
    assert {name: each["status"] for name, each in compared.items()} == {"model": "different", "metrics": "different"}
    assert compared["metrics"]["rows"] == {"before": None, "after": None}
    assert cli("run", "metrics", "model", "page", "notes").code == 0
    found = {each["name"]: each for each in cli("diff", "--against", "dev", *names, "-o", "json").json["tables"]}
    assert {each["status"] for each in found.values()} == {"different"}
    # What is one behind the other may be the same, and each partition another.
    assert cli("copy", "--from", "default", "--to", "dev", "word").code == 0
    put(assets, "2024-01-30", 1, 2)
    assert cli("run", "word").code == 0
    assert cli("diff", "--against", "dev", "word", "-o", "json").json["tables"][0]["status"] == "different"
    cleaned = cli("clean", "metrics", "--partition", "day=2024-01-30", "--yes")
    assert cleaned.code == 0
    assert not (assets.path / "data/metrics/day=2024-01-30").exists()
    assert planned(cli, "metrics") == {"metrics": {"2024-01-30": ["never_materialized"]}}


def test_objects_in_memory_and_several_results(folder: ProjectFolder) -> None:
    folder.declare(
        """
        raw: {kind: source, storage: files, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
        one: {partitions: [day], inputs: [raw], function: split, output: one, format: pickle}
        two: {partitions: [day], inputs: [raw], function: split, output: two, columns: {n: int64}}
        three: {partitions: [day], inputs: [one, two], format: text}
        """,
        """
        import pyarrow as pa

        def split(raw: pa.Table):
            return {"one": raw.num_rows, "two": pa.table({"n": [raw.num_rows]})}

        def three(one, two: pa.Table):
            return f"{one} {two['n'][0]}"
        """,
        top="storages:\n  files: {root: data}\n  default: {root: 'memory://partitioned-objects'}\n",
    )
    put(folder, "2024-01-30", 1, 2)
    project = Project.load(folder.path)
    assert project.run().status == "success"
    assert project.read("three") == {date(2024, 1, 30): "2 2"}
