"""Formats through the command line: a storage's, a table's own, and what a change of it means."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.model import parse_column_type
from tests.cli.test_what_is_loaded import SLOW, loaded
from tests.conftest import Cli, Invoked, ProjectFolder

WRITTEN = {"csv": ".csv", "parquet": ".parquet", "ipc": ".arrow", "jsonl": ".jsonl", "json": ".json"}


def edit(project: ProjectFolder, old: str, new: str) -> None:
    text = project.read("lakehouse.yaml")
    assert old in text
    project.write("lakehouse.yaml", text.replace(old, new))


def in_format(project: ProjectFolder, table: str, format_: str, options: str = "{}") -> None:
    edit(project, f"  {table}:\n", f"  {table}:\n    format: {format_}\n    options: {options}\n")


def reasons(planned: Invoked) -> dict[str, list[str]]:
    return {table["name"]: [reason["code"] for reason in table["reasons"]] for table in planned.json["tables"]}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_storage_of_each_format(project: ProjectFolder, cli: Cli, name: str) -> None:
    edit(project, "tables:", f"storages:\n  default: {{root: data, format: {name}}}\ntables:")
    edit(project, "kind: source", "kind: source\n    format: csv")
    assert cli("run").code == 0
    assert project.files() == sorted([f"best{WRITTEN[name]}", "orders.csv", f"totals{WRITTEN[name]}"])
    shown = cli("show", "totals", "-o", "json").json
    assert shown["uri"] == f"data/totals{WRITTEN[name]}"
    assert shown["rows"] == [{"customer": "007", "total": 6}, {"customer": "008", "total": 2}]
    assert [table["status"] for table in cli("run", "-o", "json").json["tables"]] == ["unchanged", "unchanged"]
    assert cli("plan", "--exit-code").code == 0


@pytest.mark.parametrize("after", ["parquet", "ipc", "jsonl", "json"])
def test_a_table_of_another_format_than_its_storage(project: ProjectFolder, cli: Cli, after: str) -> None:
    cli("run")
    in_format(project, "totals", after)
    planned = cli("plan", "-o", "json")
    assert "storage_changed" in reasons(planned)["totals"]
    assert [table["uri"] for table in planned.json["tables"] if table["name"] == "totals"] == [
        f"data/totals{WRITTEN[after]}"
    ]
    assert project.files() == ["best.csv", "orders.csv", "totals.csv"]
    assert cli("run").code == 0
    assert project.files() == sorted(["best.csv", "orders.csv", f"totals{WRITTEN[after]}"])
    assert cli("clean", "--yes").out == "nothing to clean\n"
    edit(project, f"    format: {after}\n", "")
    assert "storage_changed" in reasons(cli("plan", "-o", "json"))["totals"]
    assert cli("run").code == 0
    assert project.files() == ["best.csv", "orders.csv", "totals.csv"]


def test_former_file_stays_until_a_run_replaces_it(project: ProjectFolder, cli: Cli) -> None:
    cli("run")
    in_format(project, "totals", "parquet")
    project.edit("transforms.py", "return orders", "raise ValueError(orders)")
    assert cli("run").code == 1
    assert project.files() == ["best.csv", "orders.csv", "totals.csv"]
    assert cli("clean", "--yes").out == "nothing to clean\n"


@pytest.mark.parametrize("name", WRITTEN)
def test_clean_knows_the_files_of_every_format(project: ProjectFolder, cli: Cli, name: str) -> None:
    in_format(project, "best", name)
    cli("run")
    text = project.read("lakehouse.yaml")
    project.write("lakehouse.yaml", text[: text.index("  best:")])
    listed = cli("clean", "-o", "json").json["found"]
    assert [found["uri"] for found in listed] == [f"data/best{WRITTEN[name]}"]
    assert cli("clean", "--yes").code == 0
    assert project.files() == ["orders.csv", "totals.csv"]


def test_options_change_what_is_stored(project: ProjectFolder, cli: Cli) -> None:
    in_format(project, "totals", "parquet", "{compression: snappy, row_group_rows: 1}")
    cli("run")
    metadata = pq.ParquetFile(project.path / "data/totals.parquet").metadata
    assert metadata.num_row_groups == 2
    assert metadata.row_group(0).column(0).compression == "SNAPPY"
    edit(project, "snappy", "none")
    assert reasons(cli("plan", "-o", "json"))["totals"] == ["storage_changed"]


@pytest.mark.parametrize(
    ("format_", "options", "reported"),
    [
        ("parquet", "{delimiter: ';'}", "unknown option `delimiter` of format parquet in table `totals`"),
        ("parquet", "{compression: bz2}", "option `compression` of table `totals`"),
        ("parquet", "{row_group_rows: 0}", "option `row_group_rows` of table `totals`"),
        ("parquet", "{compression: lz4, compression_level: 3}", "means nothing to lz4"),
        ("ipc", "{compression: gzip}", "option `compression` of table `totals`"),
        ("jsonl", "{compression: lz4}", "option `compression` of table `totals`"),
        ("jsonl", "{header: false}", "unknown option `header` of format jsonl"),
        ("json", "{delimiter: ','}", "unknown option `delimiter` of format json"),
        ("excel", "{header: false}", "a sheet is written with the names of its columns"),
        ("parqet", "{}", "did you mean `parquet`?"),
    ],
)
def test_wrong_options_are_refused_before_a_run(
    project: ProjectFolder, cli: Cli, format_: str, options: str, reported: str
) -> None:
    in_format(project, "totals", format_, options)
    ran = cli("run")
    assert ran.code == 3
    assert reported in ran.err
    assert project.files() == ["orders.csv"]


@pytest.mark.parametrize("character", ["a", ",", "\\n", ":"])
def test_wrong_escape_char_is_one_problem(project: ProjectFolder, cli: Cli, character: str) -> None:
    in_format(project, "totals", "csv", f'{{escape_char: "{character}"}}')
    problems = cli("validate", "-o", "json").json["error"]["problems"]
    assert len(problems) == 1
    assert "escape_char" in problems[0]["message"]


def test_escape_char_of_a_storage_is_unset_for_a_table(project: ProjectFolder, cli: Cli) -> None:
    edit(project, "tables:", "storages:\n  default: {root: data, options: {escape_char: '\\'}}\ntables:")
    project.edit("data/orders.csv", "007", '"\\007"', 1)
    assert cli("show", "orders", "-o", "json").json["rows"][0]["customer"] == "\x0007"
    in_format(project, "orders", "csv", "{escape_char: none}")
    assert cli("show", "orders", "-o", "json").json["rows"][0]["customer"] == "\\007"


def test_drifted_schema_names_column_and_types(project: ProjectFolder, cli: Cli) -> None:
    in_format(project, "orders", "parquet")
    pq.write_table(pa.table({"customer": ["007"], "amount": ["5"]}), project.path / "data/orders.parquet")
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    failed = next(table for table in ran.json["tables"] if table["name"] == "orders")
    assert failed["error"]["message"] == (
        "column `amount` of `data/orders.parquet` is stored as string, declared int64"
    )
    assert [v["column"] for v in failed["error"]["violations"]] == ["amount"]


def write_orders(path: Path, *rows: list[Any]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize(
    "kind", ["timestamp[UNIT]", "timestamp[UNIT, tz=UTC]", "duration[UNIT]", "list<duration[UNIT]>"]
)
def test_lowest_instant_is_refused_for_pandas_alone(folder: ProjectFolder, cli: Cli, kind: str, unit: str) -> None:
    kind = kind.replace("UNIT", unit)
    folder.write(
        "lakehouse.yaml",
        f"""
        name: p
        module: transforms
        storages: {{default: {{root: data, format: ipc}}}}
        tables:
          s: {{kind: source, columns: {{v: '{kind}'}}}}
          of_pandas: {{columns: {{v: '{kind}'}}}}
          of_arrow: {{columns: {{v: '{kind}'}}}}
        """,
    )
    transforms = "import pyarrow as pa\ndef of_pandas(s): return s\ndef of_arrow(s: pa.Table): return s\n"
    folder.write("transforms.py", transforms)
    lowest: Any = [-(2**63)] if kind.startswith("list") else -(2**63)
    values = pa.array([None, lowest], to_arrow(parse_column_type(kind)))
    (folder.path / "data").mkdir()
    feather.write_feather(pa.table({"v": values}), folder.path / "data/s.arrow")
    ran = cli("run")
    assert "input `s`: pandas cannot hold column `v`: row 2 holds -" in ran.out.replace("1677-", "-")
    assert {table["name"]: table["status"] for table in cli("run", "-o", "json").json["tables"]} == {
        "of_pandas": "failed",
        "of_arrow": "unchanged",
    }


@pytest.mark.parametrize(
    ("name", "text", "wrong", "right"),
    [("s.json", '{"a":1}\n{"a":2}\n', "json", "jsonl"), ("s.jsonl", '[{"a":1},\n{"a":2}]', "jsonl", "json")],
)
@pytest.mark.parametrize("packed", [False, True])
def test_hint_for_json_of_the_other_form_works(
    folder: ProjectFolder, cli: Cli, name: str, text: str, wrong: str, right: str, packed: bool
) -> None:
    declaration = "name: p\ntables: {s: {kind: source, columns: {a: int64}, format: FORMAT}}\n"
    folder.write("lakehouse.yaml", declaration.replace("FORMAT", wrong))
    file = folder.write(f"data/{name}", text)
    if packed:
        file.with_name(f"{name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert f"set `format: {right}` and the option `suffix: .{wrong}`" in cli("show", "s").err
    folder.write("lakehouse.yaml", declaration.replace("FORMAT", f"{right}, options: {{suffix: .{wrong}}}"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"a": 1}, {"a": 2}]


def test_excel_as_a_source(project: ProjectFolder, cli: Cli) -> None:
    in_format(project, "orders", "excel", "{skip_rows: 1}")
    write_orders(project.path / "data/orders.xlsx", ["Orders"], ["customer", "amount"], ["007", 5], ["008", 2.0])
    assert cli("run").code == 0
    assert cli("show", "totals", "-o", "json").json["rows"][0] == {"customer": "007", "total": 5}
    write_orders(project.path / "data/orders.xlsx", ["Orders"], ["customer", "amount"], ["007", 5], [8, 2.5])
    ran = cli("run")
    assert ran.code == 1
    assert "cell A4 of `data/orders.xlsx`, in column `customer`, holds 8, which is not string" in ran.out + ran.err


@pytest.mark.parametrize("type_", ["list<int64>", "binary", "timestamp[us, tz=UTC]", "struct<a: int64>"])
def test_excel_refuses_unsupported_types_on_loading(project: ProjectFolder, cli: Cli, type_: str) -> None:
    in_format(project, "orders", "excel")
    edit(project, "{customer: string, amount: int64}", f'{{customer: string, amount: "{type_}"}}')
    ran = cli("validate")
    assert ran.code == 3
    assert "format excel cannot hold column `amount` of table `orders`" in ran.err


def test_missing_openpyxl_names_the_package_to_install(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    in_format(project, "orders", "excel")
    write_orders(project.path / "data/orders.xlsx", ["customer", "amount"], ["007", 5])
    for name in [name for name in sys.modules if name.startswith(("openpyxl", "lakehouse_cli.formats.excel"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    reported = cli("validate")
    assert reported.code == 3
    assert "table `orders` needs `openpyxl`, which is not installed" in reported.err
    assert cli("plan").code == 0
    ran = cli("run")
    assert ran.code == 1
    assert "pip install 'lakehouse-cli[excel]'" in ran.out + ran.err


@pytest.mark.parametrize("name", ["parquet", "ipc", "jsonl", "json"])
def test_a_plan_loads_nothing_of_the_format(project: ProjectFolder, cli: Cli, name: str) -> None:
    edit(
        project,
        "tables:",
        f"storages:\n  default: {{root: data, format: {name}, options: {{compression: zstd}}}}\ntables:",
    )
    edit(project, "kind: source", "kind: source\n    format: csv")
    cli("run")
    for argv in (["validate"], ["ls"], ["plan"], ["run"]):
        assert loaded(*argv) & (SLOW | {"openpyxl"}) - {"asyncio"} == set(), argv


def test_a_hint_lists_no_more_options_than_can_be_read(project: ProjectFolder, cli: Cli) -> None:
    text = project.read("lakehouse.yaml")
    for form, hint in (("csv", ", … ("), ("ipc", "its options are compression")):
        project.write(
            "lakehouse.yaml", text.replace("    key: ", f"    format: {form}\n    options: {{zzz: 1}}\n    key: ")
        )
        reported = cli("validate", "-o", "json").json["error"]["problems"][0]["hint"]
        assert hint in reported
        assert reported.count(",") <= 8


@pytest.mark.parametrize(
    "argv",
    [
        ["show", "orders"],
        ["run"],
        ["diff", "orders", "--against", "other"],
        ["copy", "orders", "--to", "other", "--sources", "--force"],
    ],
    ids=" ".join,
)
def test_no_command_shows_a_traceback(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    def read(*_: Any) -> pa.Table:
        raise pa.ArrowNotImplementedError("no kernel for this")

    edit(project, "tables:", "environments:\n  other: {storages: {default: {root: elsewhere}}}\ntables:")
    project.write("elsewhere/orders.csv", "customer,amount\n007,5\n")
    for method in ("read", "read_pieces"):
        monkeypatch.setattr(f"lakehouse_cli.formats.csv.format.CsvFormat.{method}", read)
    reported = cli(*argv)
    assert reported.code == 1
    assert "Traceback" not in reported.out + reported.err
    assert "unexpected ArrowNotImplementedError: no kernel for this" in reported.out + reported.err
    assert "-v` shows the traceback to report" in reported.out + reported.err
    in_json = cli(*argv, "-o", "json")
    assert in_json.code == 1
    assert "unexpected ArrowNotImplementedError: no kernel for this" in in_json.out
    assert "Traceback (most recent call last)" in cli(*argv, "-v").err


@pytest.mark.parametrize("name", ["jsonl", "json"])
@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize("pair", [("[", "]"), ('{"a": ', "}")])
@pytest.mark.parametrize("depth", [95, 150, 330, 900])
def test_what_is_nested_deep_is_read_or_refused(
    folder: ProjectFolder, cli: Cli, name: str, is_declared: bool, pair: tuple[str, str], depth: int
) -> None:
    opening, closing = pair
    row = f'{{"id": 1, "s": {opening * depth}1{closing * depth}}}'
    folder.write(f"data/t.{name}", f"[{row}]" if name == "json" else row)
    columns = ", columns: {id: int64, s: string}" if is_declared else ""
    folder.declare(f"t: {{kind: source, format: {name}{columns}}}")
    shown = cli("show", "t", "-o", "json")
    if depth < 100:
        assert shown.code == 0, shown.err
        [found] = shown.json["rows"]
        assert (json.loads(found["s"]) if is_declared else found["s"]) == json.loads(row)["s"]
    else:
        assert (shown.code, "nested too deep" in shown.out + shown.err) == (1, True)
