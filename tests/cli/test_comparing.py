"""`lakehouse diff`: two environments, or a table as it would come out now against what is stored."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.conftest import Cli, ProjectFolder

ENVIRONMENTS = """
environments:
  dev: {storages: {default: {root: dev, options: {delimiter: ";"}}}}
"""


@pytest.fixture
def computed(project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """The small project, materialized in `default`, and copied to `dev`, which has another format."""
    for name in ("LAKEHOUSE_ENV", "LAKEHOUSE_DEFER", "LAKEHOUSE_AGAINST"):
        monkeypatch.delenv(name, raising=False)
    project.add("lakehouse.yaml", ENVIRONMENTS)
    assert cli("run").code == 0
    assert cli("copy", "--to", "dev", "--sources").code == 0
    return project


def test_environments_that_are_the_same(computed: ProjectFolder, cli: Cli) -> None:
    """Though their bytes are not."""
    done = cli("diff", "-e", "dev", "--against", "default", "-o", "json")
    assert done.code == 0
    assert done.json["status"] == "equal"
    assert done.statuses == {"orders": "equal", "totals": "equal", "best": "equal"}
    assert done.json["tables"][1]["rows"] == {"before": 2, "after": 2}


def test_environments_that_differ(computed: ProjectFolder, cli: Cli) -> None:
    computed.write("dev/totals.csv", "customer;total\n007;7\n010;1\n")
    (computed.path / "dev/best.csv").unlink()
    done = cli("diff", "-e", "dev", "--against", "default", "-o", "json")
    assert done.code == 1
    assert done.statuses == {"orders": "equal", "totals": "different", "best": "removed"}
    totals = done.json["tables"][1]
    assert (totals["added"], totals["removed"], totals["changed"]) == (1, 1, 1)
    assert totals["key"] == ["customer"]
    assert totals["changed_columns"] == {"total": 1}
    assert totals["examples"] == {
        "added": [{"customer": "010", "total": 1}],
        "removed": [{"customer": "008", "total": 2}],
        "changed": [{"key": {"customer": "007"}, "columns": {"total": {"before": 6, "after": 7}}}],
    }
    text = cli("diff", "-e", "dev", "--against", "default")
    assert text.code == 1
    lines = [line.split() for line in text.out.splitlines()]
    assert ["customer", "column", "default", "dev"] in lines
    assert ["~", "007", "total", "6", "7"] in lines
    assert ["+", "010", "1"] in lines
    assert ["-", "008", "2"] in lines


def test_output_is_bounded(computed: ProjectFolder, cli: Cli) -> None:
    computed.write("dev/totals.csv", "customer;total\n" + "".join(f"n{i};{i}\n" for i in range(100)))
    done = cli("diff", "totals", "-e", "dev", "--against", "default", "-n", "3")
    assert "… and 97 more added rows" in done.out
    assert len(done.out.splitlines()) < 20
    document = cli("diff", "totals", "-e", "dev", "--against", "default", "-n", "0", "-o", "json").json
    assert document["tables"][0]["added"] == 100
    assert document["tables"][0]["examples"] == {"added": [], "removed": [], "changed": []}


def test_what_differs_of_long_texts_is_seen(computed: ProjectFolder, cli: Cli) -> None:
    """Of changed values, keys, and rows that only one has; JSON has the whole."""
    long = "the same start of a long text and then "
    computed.edit("lakehouse.yaml", "customer: string, total: int64}", "customer: string, note: string}")
    computed.edit(
        "lakehouse.yaml", "columns: {customer: string, note", "key: [customer]\n    columns: {customer: string, note"
    )
    computed.write("data/best.csv", f"customer,note\n{long}1,{long}A\n{long}2,null\n{long}3,x\n{long}5,x\n")
    computed.write("dev/best.csv", f"customer;note\n{long}1;{long}B\n{long}2;\n{long}4;x\n{long}6;x\n")
    found = [line.split("  ") for line in cli("diff", "best", "-e", "dev", "--against", "default").out.splitlines()]
    words = [[text.strip() for text in line if text.strip()] for line in found]
    assert ["~", "…xt and then 1", "note", "…xt and then A", "…xt and then B"] in words
    assert ["~", "…xt and then 2", "note", '"null"', "null"] in words
    assert ["+", "…xt and then 4", "x"] in words
    done = cli("diff", "best", "-e", "dev", "--against", "default", "-o", "json").json["tables"][0]
    assert done["examples"]["changed"][0]["columns"]["note"] == {"before": f"{long}A", "after": f"{long}B"}


def test_numbers_stand_to_the_right(computed: ProjectFolder, cli: Cli) -> None:
    computed.write("dev/totals.csv", "customer;total\n007;12345\n008;10\n010;1\n011;99999\n")
    lines = cli("diff", "totals", "-e", "dev", "--against", "default").out.splitlines()
    at = next(index for index, line in enumerate(lines) if "default" in line.split() and "column" in line)
    assert lines[at : at + 7] == [
        "     customer  column  default    dev",
        "  ~  007       total         6  12345",
        "  ~  008       total         2     10",
        "     customer  total",
        "  +  010           1",
        "  +  011       99999",
        "",
    ]


def test_what_would_come_out_now(computed: ProjectFolder, cli: Cli) -> None:
    """Through tables that change upstream, and nothing is published."""
    assert cli("diff").code == 0
    stored = {name: computed.read(f"data/{name}.csv") for name in ("totals", "best")}
    computed.edit("transforms.py", '"sum"', '"max"')
    done = cli("diff", "-o", "json")
    assert done.code == 1
    assert done.statuses == {"totals": "different", "best": "different"}
    assert done.json["against"] is None
    changed = done.json["tables"][0]["examples"]["changed"]
    assert changed == [{"key": {"customer": "007"}, "columns": {"total": {"before": 6, "after": 5}}}]
    assert done.json["tables"][1]["examples"]["added"] == [{"customer": "007", "total": 5}]
    assert {name: computed.read(f"data/{name}.csv") for name in stored} == stored
    assert {t["action"] for t in cli("plan", "-o", "json").json["tables"]} == {"read", "run"}


def test_same_result_changes_nothing_downstream(computed: ProjectFolder, cli: Cli) -> None:
    computed.edit("transforms.py", "return orders", "orders = orders.copy(); return orders")
    done = cli("diff", "-o", "json")
    assert done.code == 0
    assert [t["notes"] for t in done.json["tables"]] == [[], ["inputs came out the same"]]


def test_an_input_that_is_as_stored_and_not_as_it_was_used(computed: ProjectFolder, cli: Cli) -> None:
    """A run computes `best` too, though `totals` comes out as it is stored: it was computed from another `totals`."""
    computed.write("data/orders.csv", "customer,amount\n007,50\n")
    assert cli("run", "totals").code == 0
    computed.edit("transforms.py", "return orders", "orders = orders.copy(); return orders")
    assert cli("diff", "-o", "json").statuses == {"totals": "equal", "best": "different"}


def test_what_is_not_stored_yet(computed: ProjectFolder, cli: Cli) -> None:
    (computed.path / "data/best.csv").unlink()
    (computed.path / "data/.lakehouse/manifests/best.json").unlink()
    done = cli("diff", "-o", "json")
    assert done.code == 1
    assert done.statuses == {"totals": "equal", "best": "added"}
    assert done.json["tables"][1]["rows"] == {"before": None, "after": 1}
    assert not (computed.path / "data/best.csv").exists()


@pytest.mark.parametrize("storage", ["{root: d}", "{type: sqlite, root: d/l.db}", "{type: delta, root: d}"])
def test_what_was_stored_is_gone(folder: ProjectFolder, cli: Cli, storage: str) -> None:
    folder.write(
        "lakehouse.yaml",
        f"name: n\nmodule: t\nstorages: {{default: {storage}}}\ntables: {{x: {{inputs: [], uses: {{}}}}}}\n"
        "environments: {dev: {storages: {default: {root: e, type: files}}}}\n",
    )
    folder.write("t.py", "import pyarrow as pa\ndef x():\n    return pa.table({'a': [1]})\n")
    assert cli("run").code == 0
    if "delta" in storage:
        next((folder.path / "d/x").glob("*.parquet")).unlink()
        refused = cli("show", "x").err
        assert "d/x cannot be read: a data file that its log names is gone" in refused
        assert "`lakehouse run --force x` stores it anew" in refused
        assert cli("run", "--force", "x").code == 0
        assert cli("show", "x").code == 0
        return
    if "sqlite" in storage:
        with closing(sqlite3.connect(folder.path / "d/l.db")) as database:
            database.execute("DROP TABLE x")
    else:
        (folder.path / "d/x.csv").unlink()
    place = "d/l.db/x" if "sqlite" in storage else "d/x.csv"
    for argv in (["show", "x"], ["sql", "from x"]):
        refused = cli(*argv).err
        assert f"error: what was stored of `x` is gone: {place} does not exist\n" in refused
        assert "`lakehouse run +x` materializes it" in refused
    assert cli("diff").out.splitlines()[3] == "+  x      new  1 row; what was stored is gone"
    assert "what was stored is gone in `default`" in cli("copy", "--to", "dev").err


def test_a_transform_that_fails(computed: ProjectFolder, cli: Cli) -> None:
    computed.write(
        "transforms.py",
        """
        def totals(orders):
            print("x")
            raise ValueError("no")


        def best(totals, count):
            return totals
        """,
    )
    done = cli("diff", "-o", "json")
    assert done.code == 1
    assert done.statuses == {"totals": "failed", "best": "skipped"}
    assert "no" in done.json["tables"][0]["error"]["message"]
    done = cli("diff")
    assert "✗  totals  failed   `totals` raised ValueError: no\n○  best    skipped  `totals` failed\n" in done.out
    assert done.out.endswith("1 failed, 1 skipped\n")
    reported = done.err
    assert "totals  `totals` raised ValueError: no (transforms.py:3)\n" in reported
    assert '  transforms.py:3 in totals\n      raise ValueError("no")\n' in reported
    assert "best" not in reported


def test_stored_in_neither(computed: ProjectFolder, cli: Cli) -> None:
    for name in ("data", "dev"):
        (computed.path / name / "best.csv").unlink()
    done = cli("diff", "best", "--against", "dev", "-o", "json")
    assert done.code == 0
    assert done.statuses == {"best": "missing"}


def test_usage(computed: ProjectFolder, cli: Cli) -> None:
    assert cli("diff", "--against", "dve").code == 2
    assert cli("diff", "nothing").code == 2
    done = cli("diff", "-e", "dev", "--against", "dev")
    assert done.code == 2
    assert "`dev` cannot be compared against itself" in done.err
    assert cli("diff", "--against", "default").code == 2
    assert cli("diff", "-n", "-1").code == 2


def test_check_looks_at_what_all_frames_were_made_of(folder: ProjectFolder, cli: Cli) -> None:
    """A result that is stored nowhere stays for the checks that look at it, when transforms are done with it."""
    folder.declare(
        """
        raw: {kind: source, columns: {id: int64}}
        daily: {inputs: [raw], columns: {id: int64}, function: same}
        report: {inputs: {raw: daily}, columns: {id: int64}, function: same}
        last:
          inputs: {raw: report}
          columns: {id: int64}
          function: same
          checks: [{foreign_key: {columns: id, references: daily.id}}]
        """,
        "import pandas as pd\n\ndef same(raw: pd.DataFrame) -> pd.DataFrame:\n    return raw\n",
    )
    folder.write("data/raw.csv", "id\n1\n")
    assert cli("run").code == 0
    folder.write("data/raw.csv", "id\n2\n")
    found = {each["name"]: each for each in cli("diff", "-o", "json").json["tables"]}
    assert {name: (each["status"], each["notes"]) for name, each in found.items()} == {
        each: ("different", []) for each in ("daily", "report", "last")
    }
