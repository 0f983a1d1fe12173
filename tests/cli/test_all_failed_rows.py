"""All rows that break a contract, however many: shown in JSON, written to files, without what is not shown."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Cli, ProjectFolder

ROWS = 3_000
FORMATS = ("parquet", "ipc")
SECRET = "correct-horse-battery"
PROJECT = """
    name: many
    module: transforms
    storages: {lake: {root: "s3://b/x", options: {secret_access_key: "${LAKE_SECRET}"}}}
    tables:
      s:
        kind: source
        columns: {k: int64, v: {type: float64, max: 5}, text: string, e: {type: string, sensitive: true}}
        checks:
          - {unique: [k]}
          - {expression: "k <> 7", error_above: 50%}
      t:
        inputs: {s: raw}
        columns: {k: int64, v: float64, parent: int64}
        checks:
          - {foreign_key: {columns: parent, references: t.k}}
          - {expression: "v < 3 or v is null", name: small}
          - {sql: "select * from this where k % 2 = 0", where: "k < 10"}
      raw: {kind: source, path: s}
"""


@pytest.fixture
def many(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A source, and a table of the same rows, nearly all of which break a check, some only by what others hold."""
    monkeypatch.setenv("LAKE_SECRET", SECRET)
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", "def t(s): return s.assign(parent=s.k + 1000)[['k', 'v', 'parent']]\n")
    lines = [f"{row % 2000},{row % 10},{SECRET if row == 2500 else 'word'},a{row}@b.c" for row in range(ROWS)]
    folder.write("data/s.csv", "\n".join(["k,v,text,e", *lines]) + "\n")
    return folder


def wrong_with(row: int) -> set[str]:
    """What is wrong with a row of the source."""
    return {name for name, holds in (("v_max", row % 10 > 5), ("unique", row % 2000 < 1000)) if holds}


def names_of(reasons: list[str]) -> set[str]:
    return {each.split("`")[1] for each in reasons}


def test_all_rows_of_a_source_are_shown_with_their_lines(many: ProjectFolder, cli: Cli) -> None:
    expected = {row + 1: wrong_with(row) for row in range(ROWS) if wrong_with(row)}
    ran = cli("run", "s")
    assert f"`lakehouse show s --failed` shows the {len(expected):,} rows that fail" in ran.err
    shown = cli("show", "s", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"]) == (len(expected), 0)
    assert {each["row"]: names_of(each["reasons"]) for each in shown["rows"]} == expected
    assert [each["line"] for each in shown["rows"]] == [row + 1 for row in expected]
    by_row: dict[int, Any] = {each["row"]: each["values"] for each in shown["rows"]}
    assert by_row[2501] == {"k": "500", "v": "0.0", "text": "${LAKE_SECRET}", "e": "***"}
    assert cli("show", "s", "--failed", "--out", "rows.json").code == 0
    assert json.loads(Path("rows.json").read_text()) == shown
    assert cli("show", "s", "--failed", "--out", "rows.csv").out == f"rows.csv · {len(expected):,} rows\n"
    with Path("rows.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert [int(each["row"]) for each in records] == list(expected)
    assert {each["e"] for each in records} == {"***"}
    kept = b"".join(path.read_bytes() for path in Path(".lakehouse").rglob("*") if path.is_file())
    assert SECRET.encode() not in kept
    assert b"@b.c" not in kept
    again = cli("show", "s", "--failed", "--out", "rows.csv")
    assert (again.code, "is there already" in again.err) == (2, True)
    assert cli("show", "s", "--failed", "--out", "rows.txt").code == 2
    assert cli("check", "s").code == 1
    assert cli("show", "s", "--failed", "-o", "json").json["rows"] == shown["rows"]
    # A column that becomes sensitive is hidden in what was kept before.
    many.write(
        "lakehouse.yaml", many.read("lakehouse.yaml").replace("text: string", "text: {type: string, sensitive: true}")
    )
    found = cli("show", "s", "--failed", "-o", "json").json["rows"]
    assert {each["values"]["text"] for each in found} == {"***"}
    many.write("data/s.csv", "k,v,text,e\n1,1,a,b\n")
    assert cli("run", "s").code == 0
    assert not [path.name for path in Path(".lakehouse/failed").iterdir() if path.name != ".gitignore"]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_all_rows_of_a_result_are_shown(many: ProjectFolder, cli: Cli, executor: str) -> None:
    del many
    keys = {row % 2000 for row in range(ROWS)}
    expected: dict[int, set[str]] = {}
    for row in range(ROWS):
        key = row % 2000
        wrong = {"foreign_key": key + 1000 not in keys, "small": row % 10 >= 3, "sql": key < 10 and key % 2 == 0}
        expected[row + 1] = {name for name, holds in wrong.items() if holds}
    Path(".lakehouse/failed").mkdir(parents=True)
    Path(".lakehouse/failed/new@default@of-a-run-that-was-killed@x").touch()
    assert cli("run", "t", "--executor", executor).code == 1
    shown = cli("show", "t", "--failed", "-o", "json").json
    assert {each["row"]: names_of(each["reasons"]) for each in shown["rows"]} == {
        row: names for row, names in expected.items() if names
    }
    assert shown["count"] == len(shown["rows"])
    for each in shown["rows"]:
        key = (each["row"] - 1) % 2000
        values = {"k": str(key), "v": str(float((each["row"] - 1) % 10)), "parent": str(key + 1000)}
        assert each["values"] == values
    assert sorted(path.name for path in Path(".lakehouse/failed").iterdir()) == [
        ".gitignore",
        "t@default.json",
        "t@default.rows",
    ]


@pytest.mark.parametrize("spilled", [False, True], ids=["in memory", "spilled"])
def test_rows_that_checks_make_are_shown(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch, spilled: bool
) -> None:
    """Queries that are no condition on rows, functions that return others: their rows, by their own columns."""
    if spilled:
        monkeypatch.setattr("lakehouse_cli.checks.whole._IN_MEMORY", 0)
    folder.declare(
        """
        s: {kind: source, columns: {id: int64, e: string}}
        t:
          columns: {id: {type: int64, checks: [{max: 9, name: big}, {min: 1, name: few, error_above: 90%}]}, e: string}
          checks:
            - {sql: "select e, count(*) as n from this group by e having count(*) > 3", name: groups}
            - {sql: "select id from this where id > 7 order by id desc", name: ordered}
            - {sql: "select a.id, b.id from this a join this b on a.e = b.e and b.id = a.id + 9", name: pairs}
            - {sql: "select id % 2000 as m from this, unnest(range(150))", name: many}
            - {sql: "select id as last from this, unnest(range(150)) order by id desc", name: many_ordered}
            - {sql: "select id from this limit 1", name: warned, severity: warn}
            - {sql: "select id from this limit 2", name: passed, error_above: 99%}
            - {function: anew}
            - {function: twice}
            - {function: often}
        """,
        """
        from collections.abc import Iterator
        import pyarrow as pa
        def t(s: pa.Table) -> Iterator[pa.RecordBatch]:
            yield from s.to_batches(max_chunksize=4)
        def often(frame): return frame.loc[frame.index.repeat(150)].reset_index(drop=True)[["e"]]
        def anew(frame): return frame[frame.id > 8].reset_index(drop=True)
        def twice(frame: pa.Table): return pa.table([[1], [2]], names=["a", "a"])
        """,
    )
    folder.write("data/s.csv", "id,e\n" + "".join(f"{row},{'abc'[row % 3]}\n" for row in range(11)))
    ran = cli("run")
    assert "e 'a', n 4, e 'b', n 4" in ran.err
    assert "check `function_2` returned rows with two columns `a`" in ran.err
    assert "`lakehouse show t --failed` shows the 4,960 rows that fail" in ran.err
    shown = cli("show", "t", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"], len(shown["rows"])) == (4960, 0, 4960)
    found: dict[str, list[Any]] = {}
    for row in shown["rows"]:
        ((name,), values) = names_of(row["reasons"]), row["values"]
        found.setdefault(name, []).append((row["row"], *values.items()))
    assert found.pop("many") == [(None, ("m", str(row // 150))) for row in range(1650)]
    assert found.pop("many_ordered") == [(None, ("last", str(10 - row // 150))) for row in range(1650)]
    assert found.pop("function_3") == [(None, ("e", "abc"[row // 150 % 3])) for row in range(1650)]
    assert found == {
        "big": [(11, ("id", "10"), ("e", "b"))],
        "groups": [(None, ("e", "a"), ("n", "4")), (None, ("e", "b"), ("n", "4"))],
        "ordered": [(None, ("id", id_)) for id_ in ("10", "9", "8")],
        "pairs": [(None, ("id", "0"), ("id_1", "9")), (None, ("id", "1"), ("id_1", "10"))],
        "function": [(None, ("id", "9"), ("e", "a")), (None, ("id", "10"), ("e", "b"))],
    }
    some = cli("show", "t", "--failed", "-o", "json", "-n", "4000").json
    assert (some["left_out"], some["rows"]) == (960, shown["rows"][:4000])
    assert cli("show", "t", "--failed", "--out", "rows.csv").out == "rows.csv · 4,960 rows\n"
    assert Path("rows.csv").read_text().splitlines()[2].endswith(",a,4,,,")
    # What is made of values that have become sensitive is hidden as a whole.
    folder.edit("lakehouse.yaml", "id: {type: int64,", "id: {type: int64, sensitive: true,")
    again = cli("show", "t", "--failed", "-o", "json").json["rows"]
    assert again[0]["values"] == {"id": "***", "e": "b"}
    assert {value for row in again[1:] for value in row["values"].values()} == {"***"}
    assert cli("run").code == 1
    again = cli("show", "t", "--failed", "-o", "json").json["rows"]
    assert len(again) == 4960
    assert {value for row in again[1:] for value in row["values"].values()} == {"***"}


def test_made_rows_stand_behind_all_others(many: ProjectFolder, cli: Cli) -> None:
    many.edit("lakehouse.yaml", "name: small}", 'name: small}\n      - {sql: "select max(k) as k from this"}')
    assert cli("run", "t").code == 1
    shown = cli("show", "t", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"]) == (len(shown["rows"]), 0)
    assert [each["row"] for each in shown["rows"] if each["row"] is None] == [None]
    assert shown["rows"][-1]["values"] == {"k": "1999"}
    assert len(shown["rows"]) > ROWS / 2


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_values_that_are_not_shown_are_never_written(many: ProjectFolder, cli: Cli, executor: str) -> None:
    """While a run goes on, which may be killed, its file has the other values alone."""
    many.edit(
        "lakehouse.yaml",
        "columns: {k: int64, v: float64, parent: int64}",
        "columns: {k: {type: int64, nullable: false}, text: string, e: {type: string, sensitive: true}}",
    )
    many.edit("lakehouse.yaml", "{foreign_key: {columns: parent, references: t.k}}", '{expression: "length(e) < 3"}')
    many.edit("lakehouse.yaml", "v < 3 or v is null", "k is not null")
    many.write(
        "transforms.py",
        f"""
        import os
        import shutil
        from collections.abc import Iterator
        from pathlib import Path
        import pyarrow as pa
        def t(s: pa.Table) -> Iterator[pa.RecordBatch]:
            some = pa.nulls(70_000, pa.int64()) if Path("nulls").exists() else pa.array(range(70_000))
            texts = ["word", os.environ["LAKE_SECRET"]]
            for _ in range(4):
                columns = {{"k": some, "text": texts * 35_000, "e": ["a17@b.c"] * 70_000}}
                yield from pa.table(columns).to_batches()
            (found,) = Path({str(many.path)!r}, ".lakehouse/failed").glob("new@*")
            assert Path(found.parent, ".gitignore").read_text() == "*\\n"
            shutil.copy(found, Path({str(many.path)!r}, "seen"))
        """,
    )
    for nulls in (False, True):
        if nulls:
            many.write("nulls", "")
        assert cli("run", "t", "--executor", executor).code == 1
        seen = Path("seen").read_bytes()
        assert [text in seen for text in (b"word", b"a17@b.c", SECRET.encode())] == [True, False, False]
        rows = cli("show", "t", "--failed", "-o", "json", "-n", "1400").json["rows"]
        assert {row["values"]["text"] for row in rows} <= {"word", "${LAKE_SECRET}"}
        assert {row["values"]["e"] for row in rows} == {"***"}
        Path("seen").unlink()


@pytest.mark.parametrize("pieces", ["", ".to_batches(max_chunksize=400)"])
@pytest.mark.parametrize("storage", ["files", "delta"])
def test_rows_of_other_partitions_are_shown(folder: ProjectFolder, cli: Cli, pieces: str, storage: str) -> None:
    """Of Delta, also of a dimension that is no declared column, since it has one value for each file."""
    declared = "" if storage == "delta" else ", columns: {day: date32, id: int64}"
    folder.write(
        "lakehouse.yaml",
        f"name: p\nmodule: transforms\nstorages: {{default: {{type: {storage}, root: data}}}}\n"
        "dimensions: {day: {every: day, start: 2024-01-01, end: 2024-01-02}}\n"
        f"tables:\n  daily: {{partitions: [day], inputs: []{declared}}}\n",
    )
    kind = "Iterator[pa.RecordBatch]" if pieces else "pa.Table"
    folder.write(
        "transforms.py",
        "from collections.abc import Iterator\nimport datetime as dt\nimport pyarrow as pa\n\n"
        f"def daily() -> {kind}:\n"
        "    days = [dt.date(2024, 1, 1 + row % 2) for row in range(3000)]\n"
        "    table = pa.table({'day': days, 'id': range(3000)})\n"
        f"    return {'iter' if pieces else ''}(table{pieces})\n",
    )
    assert cli("run", "--executor", "serial").code == 1
    found = cli("show", "daily", "--failed", "-o", "json").json
    assert (found["count"], found["left_out"]) == (3000, 0)
    shown = [(row["partition"], row["row"], row["values"]["id"]) for row in found["rows"]]
    expected = [(day, row + 1, str(row)) for day, first in (("01", 1), ("02", 0)) for row in range(first, 3000, 2)]
    assert [(key["day"][-2:], row, value) for key, row, value in shown] == expected


def test_all_rows_of_columns_of_another_type_are_shown(folder: ProjectFolder, cli: Cli) -> None:
    """Files that carry types, whose columns are of others than declared: each row that has a value."""
    columns = "{id: int64, a: int64, b: bool, c: 'list<int64>', d: {type: int64, sensitive: true}}"
    folder.declare("\n".join(f"{each[0]}: {{kind: source, format: {each}, columns: {columns}}}" for each in FORMATS))
    texts = [None if row % 3 == 0 else f"word {row}" for row in range(ROWS)]
    data = {
        "id": range(ROWS),
        "a": texts,
        "b": pa.array([row if row % 4 == 0 else None for row in range(ROWS)], pa.int32()),
        "c": [None if row % 5 else ["x", "y"] for row in range(ROWS)],
        "d": texts,
    }
    folder.path.joinpath("data").mkdir(exist_ok=True)
    pq.write_table(pa.table(data), "data/p.parquet", row_group_size=700)
    with pa.OSFile("data/i.arrow", "wb") as file, pa.ipc.new_file(file, pa.table(data).schema) as writer:
        writer.write_table(pa.table(data), max_chunksize=700)
    for name in FORMATS:
        assert cli("run", name[0]).code == 1
        shown = cli("show", name[0], "--failed", "-o", "json").json
        found = {row["row"] - 1: row["values"] for row in shown["rows"]}
        expected: dict[int, dict[str, str]] = {}
        for row in range(ROWS):
            values = {}
            if row % 3:
                values |= {"a": f"'word {row}'", "d": "***"}
            if row % 4 == 0:
                values["b"] = f"{row}"
            if row % 5 == 0:
                values["c"] = '["x", "y"]'
            if values:
                expected[row] = values
        assert (shown["count"], shown["left_out"]) == (len(expected), 0)
        assert found == expected


# Buffers may outlive a test, and their pool must not go before them.
POOL = pa.proxy_memory_pool(pa.default_memory_pool())


@pytest.fixture
def pool() -> Iterator[pa.MemoryPool]:
    """Counts what Arrow takes meanwhile."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(POOL)
    yield POOL
    pa.set_memory_pool(before)


def test_source_is_judged_in_pieces_and_rows_that_repeat_keys_have_values(
    folder: ProjectFolder, cli: Cli, pool: pa.MemoryPool
) -> None:
    columns = "columns: {a: int64, b: int64, c: int64, d: int64}"
    folder.write("lakehouse.yaml", f"name: p\ntables: {{s: {{kind: source, format: parquet, key: a, {columns}}}}}\n")
    rows = 1_500_000  # 48 MB
    numbers = np.arange(rows)
    keys = np.where(numbers < rows - 3000, numbers, numbers - rows + 3000)
    (folder.path / "data").mkdir()
    pq.write_table(pa.table({"a": keys, **dict.fromkeys("bcd", numbers)}), "data/s.parquet", row_group_size=50_000)
    ran = cli("run", "s")
    assert (ran.code, "shows the 3,000 rows that fail" in ran.err) == (1, True)
    assert pool.max_memory() < 40 << 20
    shown = cli("show", "s", "--failed", "-o", "json").json
    found = [(each["row"], *map(int, each["values"].values())) for each in shown["rows"]]
    assert found == [(row + 1, keys[row], row, row, row) for row in range(rows - 3000, rows)]


@pytest.mark.parametrize("spilled", [False, True], ids=["in memory", "spilled"])
def test_values_of_rows_that_only_the_end_names_are_shown(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch, spilled: bool
) -> None:
    """Of results in pieces, which are gone by then: those of the columns that it is about."""
    monkeypatch.setattr("lakehouse_cli.contracts.findings._HELD", 0)
    if spilled:
        for module in ("checks.judge", "checks.whole", "contracts.keys"):
            monkeypatch.setattr(f"lakehouse_cli.{module}._IN_MEMORY", 0)
    columns = "id: int64, t: string, v: float64, w: float64, day: date32, e: {type: string, sensitive: true}"
    columns += ", at: 'timestamp[us, tz=Europe/Zurich]', d: 'decimal128(9, 2)'"
    folder.declare(
        f"""
        keyed: {{key: [id, t], columns: {{{columns}}}}}
        t:
          function: keyed
          columns: {{{columns}}}
          checks:
            - {{unique: [v], name: v}}
            - {{unique: [at, d], nulls: equal, name: at_d}}
            - {{unique: [e], name: e}}
            - {{foreign_key: {{columns: [day, w], references: [t.day, t.v]}}, name: day_w}}
            - {{function: "transforms:good", name: good}}
        """,
        f"""
        from collections.abc import Iterator
        import pyarrow as pa
        import pyarrow.compute as pc
        def keyed() -> Iterator[pa.RecordBatch]:
            rows = pa.array(range({ROWS}))
            half = pa.array([row % {ROWS // 2} for row in range({ROWS})])
            yield from pa.table({{
                "id": half,
                "t": pc.binary_join_element_wise("né", half.cast("string"), " "),
                "v": pc.divide(half, 4.0),
                "at": pc.if_else(pc.equal(half, 7), None, half).cast(pa.timestamp("s", "Europe/Zurich")).cast(
                    pa.timestamp("us", "Europe/Zurich")),
                "d": half.cast(pa.decimal128(21, 2)).cast(pa.decimal128(9, 2)),
                "w": pc.add(pc.divide(rows, 4.0), 0.5),
                "day": half.cast(pa.int32()).cast(pa.date32()),
                "e": half.cast("string"),
            }}).to_batches(max_chunksize=400)
        def good(t: pa.Table) -> pa.ChunkedArray: return pc.less(t["id"], 100)
        """,
    )
    assert cli("run", "--executor", "serial").code == 1
    shown = cli("show", "keyed", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"]) == (ROWS // 2, 0)
    assert {row["row"]: row["values"] for row in shown["rows"]} == {
        ROWS // 2 + 1 + row: {"id": str(row), "t": f"né {row}"} for row in range(ROWS // 2)
    }
    shown = cli("show", "t", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"]) == (ROWS, 0)
    assert [each["row"] for each in shown["rows"]] == [*range(1, ROWS + 1)]
    for each in shown["rows"]:
        row, values = each["row"] - 1, each["values"]
        half = row % (ROWS // 2)
        assert names_of(each["reasons"]) == {"v", "at_d", "e", "day_w", *(["good"] if half >= 100 else [])}
        assert (values["v"], values["d"], values["e"]) == (str(half / 4), f"{half}.00", "***")
        assert values["at"] == (None if half == 7 else f"1970-01-01 01:{half // 60:02}:{half % 60:02}+01:00")
        assert (values["day"], values["w"]) == (str(np.datetime64(half, "D")), str(row / 4 + 0.5))
        assert values.get("id", str(half)) == str(half)
