"""Sources of many files: patterns, folders and placeholders."""

from __future__ import annotations

import gzip
import json
import os
from textwrap import dedent
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from lakehouse_cli.rendering.reporters.base import Pace
from lakehouse_cli.storage import files_reading
from tests.conftest import Cli, ProjectFolder
from tests.servers.latency import far_away
from tests.servers.s3 import S3Server

TRANSFORMS = """
import pyarrow as pa

def copied(sales: pa.Table) -> pa.Table:
    return sales
"""


def declare(folder: ProjectFolder, path: str, columns: str = "{id: int64}", more: str = "", top: str = "") -> None:
    """A source, and a table that is a copy of it."""
    tables = f'sales: {{kind: source, path: "{path}", columns: {columns}{more}}}\ncopied: {{inputs: [sales]}}'
    folder.declare(tables, TRANSFORMS, top=top)


def rows(cli: Cli, table: str = "sales") -> list[Any]:
    return [[*each.values()] for each in cli("show", table, "-n", "100", "-o", "json").json["rows"]]


def why(cli: Cli, *arguments: str) -> str:
    return " ".join(cli("plan", *arguments).out.split())


def test_pattern_is_one_table_in_order_of_name(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "raw/sales_*", more=", options: {file_column: source_file}")
    folder.write("data/raw/sales_b.csv", "id\n3\n")
    folder.write("data/raw/sales_a.csv", "other,id\nx,1\nx,2\n")
    for left_out in ("raw/.sales_c.csv", "raw/old/sales_c.csv", "raw/sales_c.txt", "raw/sale.csv"):
        folder.write(f"data/{left_out}", "id\n9\n")
    assert cli("run").code == 0
    assert rows(cli, "copied") == [[1, "raw/sales_a.csv"], [2, "raw/sales_a.csv"], [3, "raw/sales_b.csv"]]
    assert cli("run", "-o", "json").statuses == {"copied": "unchanged"}
    folder.write("data/raw/sales_c.csv", "id\n4\n")
    folder.write("data/raw/sales_d.csv", "id\n5\n")
    folder.write("data/raw/sales_a.csv", "id\n1\n")
    (folder.path / "data/raw/sales_b.csv").unlink()
    changes = "2 files new (`data/raw/sales_c.csv`, `data/raw/sales_d.csv`), 1 changed (`data/raw/sales_a.csv`), 1 gone"
    assert f"`sales`: {changes} (`data/raw/sales_b.csv`)" in why(cli)
    listed = cli("show", "sales", "--files", "-o", "json").json["files"]
    assert [(each["path"], each["uri"], each["bytes"]) for each in listed] == [
        (f"raw/sales_{name}.csv", f"data/raw/sales_{name}.csv", 5) for name in "acd"
    ]
    shown = cli("show", "sales", "--files").out
    assert "3 files, 15 B" in shown
    assert "data/raw/sales_a.csv " in shown


def test_placeholders_are_typed_as_declared(folder: ProjectFolder, cli: Cli) -> None:
    columns = "{id: int64, code: string, month: date32, year: int16}"
    declare(folder, "raw/{code}/{year:%Y}/m_{month:%Y-%m}", columns)
    folder.write("data/raw/01001/2024/m_2024-02.csv", "id\n1\n")
    folder.write("data/raw/NA é/2023/m_2023-12.csv", "id\n2\n")
    assert cli("run").code == 0
    assert rows(cli, "copied") == [[1, "01001", "2024-02-01", 2024], [2, "NA é", "2023-12-01", 2023]]
    for name in ("2024-13", "2024-1", "x"):
        folder.write(f"data/raw/7/2024/m_{name}.csv", "id\n1\n")
    wrong = cli("plan", "-o", "json")
    message = wrong.json["tables"][0]["reasons"][0]["message"]
    assert message.startswith("3 files of source `sales` are not named as its path says: data/raw/7/2024/m_2024-1.csv")
    assert "m_2024-13.csv" in message
    assert "m_x.csv" in message
    assert cli("run").code == 1


def test_folder_has_columns_in_its_names(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "events/", "{id: int64, code: string, day: date32, mon: int8}", ", format: parquet")
    for name in ("code=01001/day=2024-01-01/mon=03", "code=a%3Db%2F/day=__HIVE_DEFAULT_PARTITION__/mon=12"):
        (folder.path / "data/events" / name).mkdir(parents=True)
        parquet.write_table(pa.table({"id": [1]}), folder.path / "data/events" / name / "part-0.parquet")
    for left_out in ("_SUCCESS", "_delta_log/0.parquet", ".part-0.parquet.crc", "code=1/.hidden.parquet", "readme.md"):
        folder.write(f"data/events/{left_out}", "no")
    assert cli("run").code == 0
    assert rows(cli, "copied") == [[1, "01001", "2024-01-01", 3], [1, "a=b/", None, 12]]


@pytest.mark.parametrize(
    ("path", "file", "way"),
    [
        ("raw/", "raw/c=CH%20x/x/month=2024-01/a", "raw/c={c}/*/month={month:%Y-%m}/*"),
        ("raw/", "raw/month=20240131/a", "raw/month={month:%Y%m%d}/*"),
        ("raw/m_{month}", "raw/m_2024", "raw/m_{month:%Y}"),
        ("raw/", "raw/month=x/a", None),
    ],
)
def test_hint_has_the_path_that_says_the_date(
    folder: ProjectFolder, cli: Cli, path: str, file: str, way: str | None
) -> None:
    declare(folder, path, "{id: int64, month: date32}")
    folder.write(f"data/{file}.csv", "id\n1\n")
    found = cli("run").err
    assert ("rename the file" if way is None else f'or write `path: "{way}"`') in found
    if way is not None:
        folder.edit("lakehouse.yaml", path, way)
        assert (cli("run").code, rows(cli)[0][1][:4]) == (0, "2024")


@pytest.mark.parametrize("format_", ["csv", "parquet", "ipc", "jsonl"])
def test_every_format_has_optional_columns(folder: ProjectFolder, cli: Cli, format_: str) -> None:
    columns = "{id: int64, note: {type: string, optional: true}, more: {type: int64, optional: true}}"
    declare(folder, "raw/*", columns, f", format: {format_}")
    raw = folder.path / "data/raw"
    raw.mkdir(parents=True)
    both = pa.table({"note": ["x"], "id": [1], "more": [7]})
    for number, table in enumerate((both, both.select(["id"]), both.select(["id", "note"]))):
        file = raw / f"{number}{'.arrow' if format_ == 'ipc' else f'.{format_}'}"
        if format_ == "parquet":
            parquet.write_table(table, file)
        elif format_ == "ipc":
            feather.write_feather(table, file)
        elif format_ == "csv":
            names = ",".join(table.column_names)
            text = f"{names}\n{','.join(str(each[0].as_py()) for each in table.columns)}\n"
            if number == 1:
                file.with_suffix(".csv.gz").write_bytes(gzip.compress(text.encode()))
            else:
                file.write_text(text)
        else:
            file.write_text(str(table.to_pylist()[0]).replace("'", '"') + "\n")
    assert cli("run").code == 0
    assert rows(cli, "copied") == [[1, "x", 7], [1, None, None], [1, "x", None]]


def test_all_bad_files_are_reported_at_once(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "raw/*", "{id: int64, amount: float64}")
    folder.write("data/raw/a.csv", "id,amount\n1,1.5\n")
    folder.write("data/raw/b.csv", "id,amount\n1,1.5\nx,y\n")
    folder.write("data/raw/c.csv", "id,amout\n1,1.5\n")
    folder.write("data/raw/d.csv", "")
    result = cli("run", "-o", "json")
    assert result.code == 1
    error = result.json["tables"][0]["error"]
    assert error["message"].startswith("3 of 4 files of `sales` are not as declared: `x` in column `id` of")
    assert "`data/raw/d.csv` is empty" in error["message"]
    found = [each["message"] for each in error["violations"]]
    assert found[0] == "`data/raw/b.csv`: 1 of 2 values of column `id` is not int64"
    assert error["violations"][0]["examples"] == [{"row": 2, "value": "x", "line": 3}]
    assert any(each.startswith("`data/raw/c.csv`: column `amount`: the file has no such column") for each in found)
    assert "yesterday" not in folder.files()


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_broken_contract_names_file_and_line(folder: ProjectFolder, cli: Cli, format_: str) -> None:
    declare(folder, "raw/*", "{id: {type: int64, nullable: false, max: 5}}", f", key: id, format: {format_}")
    (folder.path / "data/raw").mkdir(parents=True)
    for name, values in {"a": [1, 2], "b": [3, None], "c": [9, 1]}.items():
        if format_ == "csv":
            folder.write(f"data/raw/{name}.csv", "\n".join(["id", *(str(each or "") for each in values), ""]))
        else:
            parquet.write_table(pa.table({"id": values}), folder.path / f"data/raw/{name}.parquet")
    end = ":2" if format_ == "csv" else " row 1"
    assert f"row 5 (data/raw/c.{format_}{end})" in cli("run").err
    (checked,) = cli("check", "sales", "-o", "json").json["tables"]
    examples = {each["check"]: each["examples"] for each in (*checked["checks"], *checked["error"]["violations"])}
    places = {name: [(each["row"], each["file"]) for each in found] for name, found in examples.items()}
    b, c = f"data/raw/b.{format_}", f"data/raw/c.{format_}"
    assert places == {"null": [(4, b)], "key": [(6, c)], "max": [(5, c)]}
    found = cli("show", "sales", "--failed", "-o", "json").json["rows"]
    assert [(each["row"], each["file"]) for each in found] == [(4, b), (5, c), (6, c)]
    # The number of a row in its file stands for a line, where there are none.
    assert [each.get("file_row") for each in found] == ([None] * 3 if format_ == "csv" else [2, 1, 2])


def test_files_of_undeclared_columns_must_agree(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare('sales: {kind: source, path: "{day}/x", format: parquet}\ncopied: {inputs: [sales]}', TRANSFORMS)
    for day, table in {"1": {"a": [1], "b": [2]}, "2": {"b": [3], "a": [4]}}.items():
        (folder.path / "data" / day).mkdir(parents=True)
        parquet.write_table(pa.table(table), folder.path / "data" / day / "x.parquet")
    assert cli("run").code == 0
    assert rows(cli, "copied") == [[1, 2, "1"], [4, 3, "2"]]
    parquet.write_table(pa.table({"a": ["x"], "c": [1]}), folder.path / "data/2/x.parquet")
    message = cli("run", "-o", "json").json["tables"][0]["error"]["message"]
    assert "`a` is string, not int64; no column `b`; column `c` beyond them" in message
    (folder.path / "data/3").mkdir()
    parquet.write_table(pa.table({"a": [1], "b": [1], "day": [1]}), folder.path / "data/3/x.parquet")
    message = cli("run", "-o", "json").json["tables"][0]["error"]["message"]
    assert message.startswith("2 of 3 files of `sales` are not as declared: ")
    assert "`data/3/x.parquet` has a column `day`, and so has its path" in message


def test_no_file_and_two_endings_are_refused(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "raw/s_*")
    folder.write("data/raw/s_1.txt", "id\n1\n")
    missing = cli("plan", "-o", "json").json["tables"][0]
    assert missing["reasons"][0]["message"] == "no file matches data/raw/s_*.csv"
    folder.write("data/raw/s_1.csv", "id\n1\n")
    (folder.path / "data/raw/s_1.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    assert "is there twice: data/raw/s_1.csv and data/raw/s_1.csv.gz" in cli("run").out


@pytest.mark.parametrize(
    ("path", "more", "message"),
    [
        ("../*", "", "leaves the root of its storage"),
        ("raw/../*", "", "goes up again by `..`"),
        ("raw/{a,b}", "", "is a placeholder here and no list of names"),
        ("raw/{month:%Q}", "", "strptime does not take"),
        ("raw/{month", "", "has a `{` or `}` without the other"),
        ("raw/*/", "", "is a folder, which ends in `/`, and a pattern"),
        ("raw/${DAY}_*", "", "holds `${`"),
        ("**", "", "matches what is stored of `copied`"),
        ("x", ", options: {file_column: f}", "is for sources of many files"),
        ("x_*", ", storage: db", "means many files"),
    ],
)
def test_path_that_cannot_be_many_files(folder: ProjectFolder, cli: Cli, path: str, more: str, message: str) -> None:
    declare(folder, path, more=more, top="storages: {db: {type: sqlite, root: x.db}}\n")
    result = cli("validate")
    assert result.code == 3
    assert message in " ".join(result.err.split())
    assert "lakehouse.yaml:5:" in result.err


@pytest.mark.parametrize("path", ["made/", "made/*/*", "made/{d}/data", "made/day=*/data", "**", "out/*"])
def test_partitions_of_a_table_are_no_source(folder: ProjectFolder, cli: Cli, path: str) -> None:
    """Which would read what the project writes."""
    folder.declare(
        f"s: {{kind: source, path: '{path}', columns: {{a: int64}}}}\n"
        "raw: {kind: source, path: 'raw/{day:%Y-%m-%d}', columns: {a: int64}}\n"
        f"t: {{path: '{'out/x_{day}' if path == 'out/*' else 'made'}', partitions: [day], inputs: [raw]}}",
        "def t(raw):\n    return raw\n",
    )
    refused = cli("validate")
    assert refused.code == 3
    assert f"`path` of table `s`: `{path}` matches what is stored of `t`" in " ".join(refused.err.split())
    folder.edit("lakehouse.yaml", f"'{path}'", "'other/*'")
    assert cli("validate").code == 0


@pytest.mark.parametrize(
    ("path", "columns", "more", "message"),
    [
        ("{d:%m-%d}", "{d: date32}", "", "has no year"),
        ("{d:%Y-%m-%d}", "{d: 'timestamp[s, tz=UTC]'}", "", "cannot fill"),
        ("{d:%H%M}", "{d: 'time32[s]'}", "", "cannot fill"),
        ("{d:%Y-W%W}", "{d: string}", "", "does not say which day"),
        ("{d:%Y-%m-%d %I}", "{d: string}", "", "hours of half a day"),
        ("*", "{d: int64}", ", options: {file_column: d}", "holds the names of files, and is int64"),
        ("{d}", "{a: int64}", ", options: {file_column: d}", "which is a placeholder of its path"),
    ],
)
def test_value_of_the_path_that_no_column_holds(
    folder: ProjectFolder, cli: Cli, path: str, columns: str, more: str, message: str
) -> None:
    declare(folder, f"raw/{path}", columns, more)
    refused = cli("validate")
    assert (refused.code, message in " ".join(refused.err.split())) == (3, True)


@pytest.mark.parametrize(
    ("path", "file", "message"),
    [
        ("raw/", "raw/b.CSV", "cannot be read, because of the ending: `data/raw/b.CSV`"),
        ("raw/*", "raw/b.csv.xz", "cannot be read, because of the ending: `data/raw/b.csv.xz`"),
        ("raw/", "raw/k=1/k=2/b.csv", "`k=` is there twice"),
        ("raw/", "raw/k=%FF/b.csv", "`k=%FF` is not UTF-8"),
        ("raw/*", os.fsdecode(b"raw/caf\xe9.csv"), "is not UTF-8"),
        ("raw/*", "raw/link.csv -> ../out.csv", "data/raw/link.csv is a link"),
        ("raw/", "raw/link -> ../out", "data/raw/link/ is a link"),
    ],
)
def test_file_that_would_be_left_out_or_read_twice(
    folder: ProjectFolder, cli: Cli, path: str, file: str, message: str
) -> None:
    declare(folder, path)
    folder.write("data/raw/a.csv", "id\n1\n")
    folder.write("data/out/x.csv", "id\n1\n")
    folder.write("data/out.csv", "id\n1\n")
    assert cli("run").code == 0
    name, _, target = file.partition(" -> ")
    if target:
        (folder.path / "data" / name).symlink_to(target)
    else:
        folder.write(f"data/{name}", "id\n2\n")
    result = cli("run", "-o", "json")
    assert (result.code, message in result.json["tables"][0]["error"]["message"]) == (1, True)


def test_failed_rows_of_several_files_stay_apart(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "raw/*", "{id: int64, x: float64}")
    folder.write("data/raw/1.csv", "id,x\nfoo,1\n")
    folder.write("data/raw/2.csv", "id,x\n2,bar\n")
    folder.write("data/raw/3.csv", "")
    assert "shows the 2 rows that fail" in cli("run").err
    found = cli("show", "sales", "--failed", "-o", "json").json["rows"]
    assert [(each["row"], each["file"], each["values"]) for each in found] == [
        (1, "data/raw/1.csv", {"id": "foo"}),
        (2, "data/raw/2.csv", {"x": "bar"}),
    ]
    for name in "12":
        folder.write(f"data/raw/{name}.csv", "id,x\n1,1\n")
    assert "move the file away" in cli("run").err


def test_leap_day_without_a_year_is_a_text(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "raw/{d:%m%d}_{t:%S.%f}", "{id: int64, d: string, t: string}")
    folder.write("data/raw/0229_59.5.csv", "id\n1\n")
    assert cli("run").code == 0
    assert rows(cli) == [[1, "0229", "59.5"]]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_one_run_reads_the_files_of_its_plan(folder: ProjectFolder, cli: Cli, executor: str) -> None:
    tables = """
    sales: {kind: source, path: "raw/*", columns: {id: int64}}
    before: {inputs: [sales]}
    changed: {inputs: [before]}
    after: {inputs: [changed, sales]}
    """
    folder.declare(
        tables,
        """
        import pathlib
        import pyarrow as pa

        def before(sales: pa.RecordBatchReader) -> pa.Table:
            return sales.read_all()

        def changed(before: pa.Table) -> pa.Table:
            raw = pathlib.Path(__file__).parent / "data/raw"
            (raw / "0.csv").write_text("id\\n7\\n")
            (raw / "2.csv").write_text("id\\n2\\n")
            (raw / "wrong.csv.xz").write_text("")
            if (raw / "goes.csv").exists():
                (raw / "goes.csv").unlink()
            return before

        def after(changed: pa.Table, sales: pa.RecordBatchReader) -> pa.Table:
            return sales.read_all()
        """,
    )
    folder.write("data/raw/0.csv", "id\n0\n")
    folder.write("data/raw/1.csv", "id\n1\n")
    done = cli("run", "-o", "json", "--executor", executor)
    assert done.code == 0
    assert (rows(cli, "before"), rows(cli, "after")) == ([[0], [1]], [[7], [1]])
    notes = {each["name"]: each["notes"] for each in done.json["tables"]}
    assert notes == {
        "before": [],
        "changed": [],
        "after": ["`sales` changed while this ran, and was read as it was then: run again"],
    }
    (folder.path / "data/raw/wrong.csv.xz").unlink()
    assert "`sales`: 1 file new (`data/raw/2.csv`)" in why(cli, "after")
    folder.write("data/raw/goes.csv", "id\n9\n")
    gone = {each["name"]: each["error"] for each in cli("run", "-o", "json", "--executor", executor).json["tables"]}
    assert gone["sales"]["message"] == "data/raw/goes.csv is gone since the run was planned"


def test_file_that_goes_while_it_is_read_is_gone(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_reading, "_SMALL", -1)  # none is read ahead
    folder.declare(
        'sales: {kind: source, path: "raw/*", columns: {id: int64}}\nt: {inputs: [sales]}\n',
        "import os\nimport pyarrow as pa\n\ndef t(sales: pa.RecordBatchReader) -> pa.Table:\n"
        "    first = next(sales)\n    os.unlink('data/raw/1.csv')\n    return sales.read_all()\n",
    )
    for number in (0, 1):
        folder.write(f"data/raw/{number}.csv", f"id\n{number}\n")
    [sales, _] = cli("run", "-o", "json", "--executor", "serial").json["tables"]
    assert sales["error"]["message"] == "data/raw/1.csv is gone since the run was planned"


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_log_says_how_many_files_are_read(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    monkeypatch.setattr("lakehouse_cli.executors.progress.PAUSE_S", 0)
    monkeypatch.setattr("lakehouse_cli.storage.files_reading._MOST_TOGETHER", 1)
    for reporter in ("lines", "log_json"):
        monkeypatch.setattr(f"lakehouse_cli.rendering.reporters.{reporter}.Pace", lambda: Pace(0))
    declare(folder, "raw/*")
    # What is patched here is not in a worker that starts anew.
    patched = """
        from lakehouse_cli.executors import progress
        from lakehouse_cli.storage import files_reading

        progress.PAUSE_S, files_reading._MOST_TOGETHER = 0, 1
        """
    folder.write("transforms.py", dedent(patched) + (folder.path / "transforms.py").read_text("utf-8"))
    for number in range(3):
        folder.write(f"data/raw/{number}.csv", f"id\n{number}\n")
    lines = cli("run", "--executor", executor).out.splitlines()
    assert [line.strip() for line in lines if "read" in line] == [
        f"copied: sales: {files} of 3 files read" for files in (1, 2, 3)
    ]
    logged = cli("run", "-f", "--executor", executor, "--log-format", "json").err.splitlines()
    events = [event for line in logged if (event := json.loads(line))["event"] == "table_reading"]
    assert [(each["table"], each["source"], each["files"], each["total"]) for each in events] == [
        ("copied", "sales", files, 3) for files in (1, 2, 3)
    ]
    assert "table_reading" not in "".join(path.read_text() for path in folder.path.glob(".lakehouse/runs/*"))


@pytest.mark.parametrize("format_", ["csv", "parquet", "jsonl"])
def test_optional_column_in_another_case_is_an_error(folder: ProjectFolder, cli: Cli, format_: str) -> None:
    columns = "{id: int64, note: {type: string, optional: true}, more: {type: string, optional: true}}"
    declare(folder, "raw/*", columns, f", format: {format_}")
    (folder.path / "data/raw").mkdir(parents=True)
    for number, name in enumerate(["note", "Note", "other"]):
        file = folder.path / f"data/raw/{number}.{format_}"
        if format_ == "parquet":
            parquet.write_table(pa.table({"id": [number], name: ["x"]}), file)
        else:
            file.write_text(f"id,{name}\n1,x\n" if format_ == "csv" else json.dumps({"id": 1, name: "x"}) + "\n")
    error = cli("run", "-o", "json").json["tables"][0]["error"]
    assert error["message"] == f"`data/raw/1.{format_}` lacks column `note`"
    assert error["hint"] == "did you mean `Note`?"


def test_optional_column_of_a_folder_in_another_case_is_an_error(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "raw/", "{id: int64, country: {type: string, optional: true}}")
    folder.write("data/raw/Country=CH/a.csv", "id\n1\n")
    error = cli("run", "-o", "json").json["tables"][0]["error"]
    assert error["message"] == "`data/raw/Country=CH/a.csv` lacks column `country`, and its path has `Country`"
    folder.edit("lakehouse.yaml", "optional: true", "from: Country")
    assert cli("run").code == 0
    assert rows(cli, "copied") == [[1, "CH"]]


@pytest.mark.parametrize("more", ["", ", format: parquet", ", options: {header: false}"])
def test_from_names_a_value_of_the_path(folder: ProjectFolder, cli: Cli, more: str) -> None:
    columns = "{id: int64, land: {type: string, from: region}, day: {type: date32, from: month}"
    columns += "}" if "header" in more else ", region: {type: string, from: zone}}"
    declare(folder, "raw/{region}_{month:%Y-%m}", columns, more)
    if "parquet" in more:
        (folder.path / "data/raw").mkdir(parents=True)
        parquet.write_table(pa.table({"zone": ["z"], "id": [1]}), folder.path / "data/raw/eu_2024-02.parquet")
    else:
        folder.write("data/raw/eu_2024-02.csv", "1,z\n" if "header" in more else "zone,id\nz,1\n")
    assert cli("run").code == 0
    assert rows(cli, "copied") == [[1, "eu", "2024-02-01", *([] if "header" in more else ["z"])]]
    folder.edit("lakehouse.yaml", "%Y-%m", "%m")
    assert "its placeholder `{month:%m}` has no year" in cli("validate").err


def test_from_names_the_column_of_files(folder: ProjectFolder, cli: Cli) -> None:
    columns = "{id: int64, file: {type: string, from: source_file}}"
    declare(folder, "raw/*", columns, ", options: {file_column: source_file}")
    folder.write("data/raw/a.csv", "id\n1\n")
    assert cli("run").code == 0
    assert rows(cli, "copied") == [[1, "raw/a.csv"]]


def test_objects_are_listed_once(folder: ProjectFolder, cli: Cli, s3_server: S3Server) -> None:
    s3_server.make_bucket("many")
    with far_away(s3_server.ports[0], 0) as far:
        options = {**s3_server.options, "endpoint": f"http://127.0.0.1:{far.port}"}
        top = f"storages: {{lake: {{root: 's3://many/p', options: {json.dumps(options)}}}}}\n"
        declare(folder, "raw/{region}/*", "{id: int64, region: string}", ", storage: lake", top)
        bucket = s3_server.store("many")
        for number in range(40):
            bucket.put(f"p/raw/r{number % 2}/{number:02}.csv", f"id\n{number}\n".encode())
        bucket.put("p/raw/_r/x/9.csv", b"id\n9\n")
        assert cli("run").code == 0
        assert [each[0] for each in rows(cli, "copied")] == [*range(0, 40, 2), *range(1, 40, 2)]
        far.requests = 0
        assert "nothing to do" in cli("plan").out
        assert far.requests <= 10
        bucket.put("p/raw/r0/39.csv", b"id\n39\n")
        assert "`sales`: 1 file new (`s3://many/p/raw/r0/39.csv`)" in why(cli)


def test_column_that_some_files_lack_may_be_optional(folder: ProjectFolder, cli: Cli) -> None:
    """As the hint says; not one that no file has, or that must have values."""
    tables = "s: {kind: source, path: s_*, columns: {v: int64, at: %s}}\nt: {inputs: [s]}\n"
    folder.write("data/s_1.csv", "v\n1\n")
    folder.write("data/s_2.csv", "v,at\n2,2024-01-01T00:00:00\n")
    folder.declare(tables % '"timestamp[us]"', "def t(s):\n    return s\n")
    written = '{type: "timestamp[us]", optional: true}'
    assert f"or `at: {written}`, where files that lack it have nulls" in cli("run").err
    folder.declare(tables % written)
    assert cli("run").code == 0
    folder.declare(tables % '{type: "timestamp[us]", nullable: false}')
    assert "optional" not in cli("run").err


def test_brackets_are_no_pattern(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s_a.csv", "v\n1\n")
    folder.declare(
        's: {kind: source, path: "s_[ab]*", columns: {v: int64}}\nt: {inputs: [s]}\n', "def t(s):\n    return s\n"
    )
    assert "`data/s_a.csv`: correct `path:`, or the table's `format:`; `[…]` is no pattern" in cli("run").err


def test_variables_without_braces_stand_for_themselves(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s_a.csv", "v\n1\n")
    for path in ("s_$MARKET*", "$MARKET/", "s_$MARKET"):
        folder.declare(
            f's: {{kind: source, path: "{path}", columns: {{v: int64}}}}\nt: {{inputs: [s]}}\n',
            "def t(s):\n    return s\n",
        )
        found = cli("run")
        assert found.code == 1
        assert "`$MARKET` stands for itself, and `${MARKET}` is replaced, in `root:`" in found.err


def test_folder_whose_server_does_not_answer_is_named_as_it_is(folder: ProjectFolder, cli: Cli) -> None:
    pytest.importorskip("obstore")
    options = (
        '{endpoint: "http://127.0.0.1:9", allow_http: true, retry_seconds: 0, access_key_id: a, secret_access_key: b}'
    )
    folder.declare(
        "s: {kind: source, storage: far, path: h/, columns: {v: int64}}\nt: {inputs: [s]}\n",
        "def t(s):\n    return s\n",
        top=f'storages: {{far: {{root: "s3://lake/x", options: {options}}}}}\n',
    )
    assert "s3://lake/x/h/ cannot be looked at: the server does not answer" in cli("run").err
