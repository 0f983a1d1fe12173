"""Columns of maps, through the command line: stored, read by transforms, compared, refused."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Cli, ProjectFolder

PROJECT = """\
name: maps
module: transforms
storages:
  default: {root: data, format: parquet}
  out: STORAGE
tables:
  prices:
    kind: source
    columns: {id: int64, sizes: "map<string, int64>"}
  copy_pandas: {storage: out, columns: {id: int64, sizes: "map<string, int64>"}}
  copy_polars: {storage: out, columns: {id: int64, sizes: "map<string, int64>"}}
  again: {storage: out, columns: {id: int64, sizes: "map<string, int64>"}}
"""
TRANSFORMS = """\
import pandas as pd
import polars as pl
import pyarrow as pa

def copy_pandas(prices: pd.DataFrame) -> pd.DataFrame:
    prices["sizes"] = [pairs if pairs is None else dict(pairs) for pairs in prices["sizes"]]
    return prices

def copy_polars(prices: pl.DataFrame) -> pl.DataFrame:
    return prices

def again(copy_pandas: pa.Table) -> pa.Table:
    return copy_pandas
"""
SIZES = [[("m", 2), ("l", None)], None, []]


@pytest.fixture
def maps(folder: ProjectFolder) -> ProjectFolder:
    """A folder with a Parquet file of maps and transforms that copy it; its project file is to be written."""
    folder.write("transforms.py", TRANSFORMS)
    (folder.path / "data").mkdir()
    table = pa.table({"id": [1, 2, 3], "sizes": pa.array(SIZES, pa.map_(pa.string(), pa.int64()))})
    pq.write_table(table, folder.path / "data/prices.parquet")
    return folder


@pytest.mark.parametrize(
    "storage",
    [
        "{root: out, format: csv}",
        "{root: out, format: jsonl}",
        "{root: out, format: json}",
        "{root: out, format: parquet}",
        "{root: out, format: ipc}",
        "{type: delta, root: out}",
        "{type: duckdb, root: out.duckdb}",
    ],
)
def test_maps_come_back_from_every_storage_that_has_them(maps: ProjectFolder, cli: Cli, storage: str) -> None:
    maps.write("lakehouse.yaml", PROJECT.replace("STORAGE", storage))
    ran = cli("run")
    assert ran.code == 0, ran.out + ran.err
    for name in ("prices", "copy_pandas", "copy_polars", "again"):
        shown = cli("show", name, "-o", "json").json
        assert [row["sizes"] for row in shown["rows"]] == [[["m", 2], ["l", None]], None, []], name
        assert shown["columns"][1]["type"] == "map<string, int64>"
    assert {table["status"] for table in cli("run", "-o", "json").json["tables"]} == {"unchanged"}


@pytest.mark.parametrize("storage", ["{type: sqlite, root: out.db}", "{type: postgresql, root: 'postgresql://x/y'}"])
def test_databases_without_maps_refuse_them(maps: ProjectFolder, cli: Cli, storage: str) -> None:
    maps.write("lakehouse.yaml", PROJECT.replace("STORAGE", storage))
    reported = cli("validate")
    assert reported.code == 3
    assert "map<string, int64>" in reported.err
    assert "as JSON text in a string" in reported.err


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('[("a", 1), ("a", 2)]', "holds maps that have a key twice in 1 row"),
        ("[(None, 1)]", "maps with a key that is null"),
        ("[(1, 1)]", "integers"),
        ('["a"]', "holds lists of other items than pairs in 1 row"),
        ("'x'", "text"),
    ],
)
def test_other_values_are_refused_with_their_row(maps: ProjectFolder, cli: Cli, value: str, message: str) -> None:
    maps.write("lakehouse.yaml", PROJECT.replace("STORAGE", "{root: out}"))
    changed = TRANSFORMS.replace("    return prices\n", f"    prices.at[1, 'sizes'] = {value}\n    return prices\n", 1)
    maps.write("transforms.py", changed)
    ran = cli("run", "copy_pandas")
    assert ran.code == 1
    assert message in ran.out + ran.err
    assert "row 2" in ran.out + ran.err


def test_null_and_doubled_keys_are_reported_together(maps: ProjectFolder, cli: Cli) -> None:
    maps.write("lakehouse.yaml", PROJECT.replace("STORAGE", "{root: out}"))
    wrong = "    prices['sizes'] = [[('a', 1)], [('a', 1), ('a', 2)], [(None, 1)]]\n    return prices\n"
    maps.write("transforms.py", TRANSFORMS.replace("    return prices\n", wrong, 1))
    ran = cli("run", "copy_pandas")
    assert ran.code == 1
    for text in ("maps with a key that is null or that they have twice in 2 rows", "row 2: ", "row 3: "):
        assert text in ran.out + ran.err


def test_nested_times_are_shown_as_those_of_columns(maps: ProjectFolder, cli: Cli) -> None:
    plain = {"d": pa.duration("us"), "i": pa.timestamp("us", "UTC"), "t": pa.time64("ns"), "n": pa.timestamp("ns")}
    columns = {}
    for name, kind in plain.items():
        values = pa.array([0, 93600000000], pa.int64()).cast(kind)
        columns |= {
            name: values,
            f"list_{name}": pa.array([[each] for each in values], pa.list_(kind)),
            f"map_{name}": pa.array([[("k", each)] for each in values], pa.map_(pa.string(), kind)),
            f"struct_{name}": pa.array([{"f": [each, None]} for each in values], pa.struct({"f": pa.list_(kind)})),
        }
    pq.write_table(pa.table(columns), maps.path / "data/times.parquet")
    times = "name: p\nstorages: {default: {root: data, format: parquet}}\ntables: {times: {kind: source}}\n"
    maps.write("lakehouse.yaml", times)
    rows = cli("show", "times", "-o", "json").json["rows"]
    assert [(row["d"], row["i"]) for row in rows] == [
        ("0 us", "1970-01-01 00:00:00.000000Z"),
        ("93600000000 us", "1970-01-02 02:00:00.000000Z"),
    ]
    for row in rows:
        for name in plain:
            assert row[f"list_{name}"] == [row[name]]
            assert row[f"map_{name}"] == [["k", row[name]]]
            assert row[f"struct_{name}"] == {"f": [row[name], None]}


def test_undeclared_map_from_pandas_has_a_hint_that_works(maps: ProjectFolder, cli: Cli) -> None:
    text = PROJECT.replace("STORAGE", "{root: out, format: parquet}")
    declared = 'copy_pandas: {storage: out, columns: {id: int64, sizes: "map<string, int64>"}}'
    maps.write("lakehouse.yaml", text.replace(declared, "copy_pandas: {storage: out}"))
    maps.write("transforms.py", TRANSFORMS.replace("pairs if pairs is None else dict(pairs)", "pairs"))
    ran = cli("run", "copy_pandas")
    assert ran.code == 1
    hint = "`sizes` holds lists of pairs in 1 row; if they are keys and values, declare the column `map<string, int64>`"
    assert hint in ran.out + ran.err
    maps.write("lakehouse.yaml", text)
    assert cli("run", "copy_pandas").code == 0


@pytest.mark.parametrize(
    ("cell", "kind", "good"),
    [
        ('{"a": 1}', "map<string, int64>", True),
        ('[["a", 1], ["b", null]]', "map<string, int64>", True),
        ('{"1": "x", "01": "y"}', "map<int64, string>", False),
        ('{"1": "x", "2": "y"}', "map<int64, string>", True),
        ('{"true": 1}', "map<bool, int8>", True),
        ('{"True": 1}', "map<bool, int8>", False),
        ("[[null, 1]]", "map<string, int64>", False),
        ('{"a": 1, "a": 2}', "map<string, int64>", False),
        ('["a", 1]', "map<string, int64>", False),
        ('{"a": "x"}', "map<string, int64>", False),
        ('{"2024-02-30": 1}', "map<date32, int64>", False),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_text_of_maps(folder: ProjectFolder, cli: Cli, cell: str, kind: str, good: bool, form: str) -> None:
    folder.write(
        "lakehouse.yaml",
        f"name: p\ntables:\n  s: {{kind: source, format: {form}, columns: {{n: int8, m: '{kind}'}}}}\n",
    )
    quoted = cell.replace('"', '""')
    text = (
        f'n,m\n0,\n1,"{quoted}"\n2,{{}}\n'
        if form == "csv"
        else f'{{"n":0}}\n{{"n":1,"m":{cell}}}\n{{"n":2,"m":{{}}}}\n'
    )
    folder.write(f"data/s.{form}", text)
    shown = cli("show", "s", "-o", "json")
    if good:
        assert shown.code == 0, shown.err
        assert shown.json["rows"][1]["m"]
        return
    assert shown.code == 1
    found = cli("show", "s").err
    assert "(line 3)" in found or "line 2 of" in found or "(line 2)" in found
    assert "1 of 3 values" in found or "there twice" in found


def test_a_changed_map_is_a_difference(maps: ProjectFolder, cli: Cli) -> None:
    text = PROJECT.replace("STORAGE", "{root: out, format: parquet}")
    text += "environments:\n  other: {storages: {default: {root: other}}}\n"
    maps.write("lakehouse.yaml", text.replace("    kind: source\n", "    kind: source\n    key: id\n", 1))
    (maps.path / "other").mkdir()
    changed = [[("m", 3), ("l", None)], None, []]
    table = pa.table({"id": [1, 2, 3], "sizes": pa.array(changed, pa.map_(pa.string(), pa.int64()))})
    pq.write_table(table, maps.path / "other/prices.parquet")
    found = cli("diff", "prices", "--against", "other", "-o", "json").json["tables"][0]
    assert "sizes" in str(found)
    assert '["m", 3]' in str(found).replace("'", '"'), found


def test_ancient_timestamps_in_maps_are_exact(folder: ProjectFolder, cli: Cli) -> None:
    far = pa.array([[("a", 32_503_680_000_000_000)]], pa.map_(pa.string(), pa.timestamp("us")))
    fine = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.timestamp("ns")))
    columns = '{far: "map<string, timestamp[us]>", fine: "map<string, timestamp[ns]>"}'
    folder.write("lakehouse.yaml", f"name: p\ntables:\n  s: {{kind: source, format: parquet, columns: {columns}}}\n")
    (folder.path / "data").mkdir()
    with pq.ParquetWriter(
        folder.path / "data/s.parquet",
        pa.schema({"far": far.type, "fine": fine.type}),
        use_deprecated_int96_timestamps=True,
    ) as writer:
        writer.write_table(pa.table({"far": far, "fine": fine}))
    shown = cli("show", "s", "-o", "json")
    assert shown.code == 0, shown.err
    row = shown.json["rows"][0]
    assert row["far"][0][1].startswith("3000-01-01")
    assert "000000001" in row["fine"][0][1]


@pytest.mark.parametrize(
    "kind", ["map<float64, int64>", "map<list<int64>, int64>", "map<string>", "map<dictionary<string>, int8>"]
)
def test_keys_that_no_map_has_are_refused(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    folder.write("lakehouse.yaml", f"name: p\ntables:\n  s: {{kind: source, columns: {{m: '{kind}'}}}}\n")
    assert cli("validate").code == 3
