"""Folders that DuckDB and polars write by the values of a column, read as sources: every text as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import Cli, ProjectFolder

TEXTS = [
    *("a/b", "x=y", "%41", " lead", "trail ", "", "é", "e\u0301", "01001", "2024-01-03", "2024-01", "NaN", "1e3", "1d"),
    *(
        "true",
        "null",
        "NULL",
        "epoch",
        "0x1F",
        "10:00:00",
        "a:b",
        "a b",
        ".",
        "..",
        "_x",
        ".y",
        "A",
        "a*b",
        'q"q',
        "tab\t",
    ),
]


def by_duckdb(data: pa.Table, folder: Path) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.register("data", data)
        connection.execute(f"copy (from data) to '{folder}' (format parquet, partition_by (k))")


def by_polars(data: pa.Table, folder: Path) -> None:
    import polars

    frame = polars.DataFrame(data)
    frame.write_parquet(polars.PartitionBy(folder, key=["k"], include_key=False), mkdir=True)


@pytest.mark.parametrize("write", [by_duckdb, by_polars])
def test_partition_values_are_read_as_written(write: object, folder: ProjectFolder, cli: Cli) -> None:
    assert callable(write)
    texts = [*TEXTS, None]
    data = pa.table({"n": pa.array(range(len(texts)), pa.int64()), "k": pa.array(texts, pa.string())})
    folder.declare("a: {kind: source, path: a/, format: parquet, columns: {n: int64, k: string}}")
    (folder.path / "data").mkdir()
    write(data, folder.path / "data" / "a")
    shown = json.loads(cli("show", "a", "-n", "100", "-o", "json").out)
    assert {row["n"]: row["k"] for row in shown["rows"]} == dict(enumerate(texts))


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_partition_values_pass_through_as_they_are(folder: ProjectFolder, cli: Cli, format_: str) -> None:
    texts = [*TEXTS, None]
    data = pa.table({"n": pa.array(range(len(texts)), pa.int64()), "k": pa.array(texts, pa.string())})
    folder.declare(
        f"""
        raw: {{kind: source, path: raw/, format: parquet, partitions: [k], columns: {{n: int64, k: string}}}}
        a: {{partitions: [k], format: {format_}, columns: {{k: string, n: int64, given: string}}, inputs: [raw]}}
        b: {{function: b, partitions: [k], format: {format_}, columns: {{k: string, n: int64}}, inputs: [a]}}
        """,
        """
        def a(raw, k):
            return raw.drop(columns="k").assign(given=k)

        def b(a):
            return a[["n"]]
        """,
    )
    (folder.path / "data").mkdir()
    by_duckdb(data, folder.path / "data" / "raw")
    ran = cli("run")
    assert (ran.code, ran.err) == (0, "")
    for name in ("a", "b"):
        shown = json.loads(cli("show", name, "-n", "100", "-o", "json").out)
        assert {row["n"]: row["k"] for row in shown["rows"]} == dict(enumerate(texts))
        assert all(row.get("given", row["k"]) == row["k"] for row in shown["rows"])
    for text in ("a/b", "", "x=y"):
        shown = json.loads(cli("show", "b", "--partition", f"k={text}", "-o", "json").out)
        assert [row["k"] for row in shown["rows"]] == [text]
    assert "nothing to do" in cli("plan").out


def test_days_in_folders_of_years_and_months(folder: ProjectFolder, cli: Cli) -> None:
    """A date over several folders, read and written; what is none is reported, and what is hidden is not."""
    tables = """
    s: {kind: source, path: "raw/%s", columns: {id: int64}}
    t: {partitions: [day], inputs: [s], path: "out/{day:%%Y/%%m/%%d}", columns: {day: %s, id: int64}}
    """
    code = "def t(s, day):\n    return s\n"
    folder.declare(tables % ("{year}/{month}/{day:%d}", "string"), code)
    for day in ("2024/01/02", "2024/02/02", ".trash/02/03"):
        folder.write(f"data/raw/{day}.csv", f"id\n{day[6]}\n")
    folder.edit("lakehouse.yaml", 'path: "out/{day:%Y/%m/%d}"', "path: out")
    said = '`day` is a text such as `02`, and no date, as `{day:%d}` says no year: write `path: "raw/{day:%Y/%m/%d}"`'
    for command in ("plan", "validate"):
        assert said in cli(command).out
    folder.declare(tables % ("{day:%Y/%m/%d}", "date32"), code)
    assert "no year" not in cli("plan").out
    assert cli("run").code == 0
    written = [each for each in folder.files() if each.startswith("out")]
    assert written == ["out/2024/01/02.csv", "out/2024/02/02.csv"]
    assert cli("show", "t", "-o", "json").json["rows"] == [
        {"day": "2024-01-02", "id": 1},
        {"day": "2024-02-02", "id": 2},
    ]
    folder.write("data/raw/2024/02/30.csv", "id\n1\n")
    folder.write("data/raw/2024/3/1.csv", "id\n1\n")
    planned = cli("plan").out
    assert "2 files of source `s` are not named as its path says" in planned
    assert "'2024/3/1' is not as `{day:%Y/%m/%d}` says" in planned


@pytest.mark.parametrize(
    ("path", "partitions", "said"),
    [
        ("{year}/{month:%m}", "month", 'write `path: "raw/{month:%Y/%m}"`'),
        ("s_{day:%d}", "day", "`{day:%Y-%m-%d}`, or over folders `{day:%Y/%m/%d}`, says one"),
        ("{year}/{month}/{day:%d}", "year, month, day", ""),
        ("{region}_{day:%Y%m%d}", "day", ""),
    ],
)
def test_placeholder_without_a_year_is_told(
    folder: ProjectFolder, cli: Cli, path: str, partitions: str, said: str
) -> None:
    source = f's: {{kind: source, path: "raw/{path}", columns: {{id: int64}}}}'
    folder.declare(f"{source}\nt: {{partitions: [{partitions}], inputs: [s]}}", "def t(s):\n    return s\n")
    done = cli("validate")
    assert (done.code, "no year" in done.out, said in done.out) == (0, bool(said), True), done


@pytest.mark.parametrize("storage", ["{root: lake}", "{type: memory, root: 'memory://divided-otherwise'}"])
def test_what_stays_of_another_division_is_told(folder: ProjectFolder, cli: Cli, storage: str) -> None:
    """Once, as `partitions:` goes or comes, by `plan`, `run` and `clean`; a database would refuse it."""
    tables = "s: {kind: source, storage: files, path: 's_{day:%%Y-%%m-%%d}', columns: {v: int64}}\nt: {%sinputs: [s]}\n"
    top = f"storages: {{default: {storage}, files: {{root: data}}}}\n"
    code = "def t(s):\n    return s\n"
    folder.write("data/s_2024-01-01.csv", "v\n1\n")
    for division, said, cleaned in (
        ("partitions: [day], ", None, None),
        ("", "`t`: was stored by day, and has no partitions: ", "was stored by day, and `t` has no partitions"),
        ("partitions: [day], ", "`t`: was stored without partitions, and is by day: ", "was stored without partitions"),
    ):
        folder.declare(tables % division, code, top=top)
        for ran in (cli("plan"), cli("run")):
            stays = "stays, which nobody reads and `lakehouse clean` removes"
            assert (ran.code, stays in ran.out) == (0, said is not None)
            assert said is None or said in ran.out
        assert "nothing to do" in cli("plan").out
        left = cli("clean", "--yes")
        assert (left.code, (cleaned or "nothing to clean") in left.out) == (0, True), left.out
        assert "nothing to clean" in cli("clean").out


def test_database_keeps_nothing_of_a_table_that_partitions_replaced(folder: ProjectFolder, cli: Cli) -> None:
    tables = "s: {kind: source, storage: files, path: 's_{day:%%Y-%%m-%%d}', columns: {v: int64}}\nt: {%sinputs: [s]}\n"
    top = "storages: {default: {type: sqlite, root: b.sqlite}, files: {root: data}}\n"
    folder.write("data/s_2024-01-01.csv", "v\n1\n")
    for division in ("", "partitions: [day], "):
        folder.declare(tables % division, "def t(s):\n    return s\n", top=top)
        assert cli("run", "--force").code == 0
    assert "nothing to clean" in cli("clean").out


def test_folders_of_hive_are_decoded_where_a_pattern_names_them(folder: ProjectFolder, cli: Cli) -> None:
    """As where they are not named; what a placeholder stands for elsewhere is taken as it is."""
    tables = """
s: {kind: source, path: "PATH", columns: {v: int64, region: string, month: date32}}
t: {partitions: [region, month], inputs: [s], gone: drop, columns: {v: int64, region: string, month: date32}}
"""
    found = {}
    for at, path in enumerate(("a/region={region}/month={month:%Y-%m}/s", "b/{region}/month={month:%Y-%m}/s")):
        for number, (region, month) in enumerate((("a%2Fb", "2024-01"), ("%C3%BC", "__HIVE_DEFAULT_PARTITION__"))):
            prefix = "region=" if at == 0 else ""
            folder.write(f"data/{'ab'[at]}/{prefix}{region}/month={month}/s.csv", f"v\n{number}\n")
        if at == 0:
            folder.write("data/a/region=__HIVE_DEFAULT_PARTITION__/month=2024-02/s.csv", "v\n2\n")
        folder.declare(tables.replace("PATH", path), "def t(s):\n    return s\n")
        assert cli("run", "--force").code == 0
        rows = cli("show", "t", "-o", "json").json["rows"]
        found[at] = sorted((row["v"], row["region"], row["month"]) for row in rows)
    assert found[0] == [(0, "a/b", "2024-01-01"), (1, "ü", None), (2, None, "2024-02-01")]
    assert found[1] == [(0, "a%2Fb", "2024-01-01"), (1, "%C3%BC", None)]


def test_parts_of_folders_of_hive_are_decoded_too(folder: ProjectFolder, cli: Cli) -> None:
    """Names of files are as they are written."""
    tables = """
s:
  kind: source
  path: "region={region}-x/{part}_at={at}"
  columns: {v: int64, region: string, part: string, at: string}
t: {partitions: [region], inputs: [s], columns: {v: int64, region: string, part: string, at: string}}
"""
    for number, region in enumerate(("a%2Fb", "__HIVE_DEFAULT_PARTITION__")):
        folder.write(f"data/region={region}-x/p%3D_at=%2F.csv", f"v\n{number}\n")
    folder.declare(tables, "def t(s):\n    return s\n")
    assert cli("run").code == 0
    rows = [tuple(row.values()) for row in cli("show", "t", "-o", "json").json["rows"]]
    assert sorted(rows) == [(0, "a/b", "p%3D", "%2F"), (1, None, "p%3D", "%2F")]
