"""What the errors of readers and writers say of tables with sensitive columns."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.conftest import Cli, ProjectFolder

SOURCES = """
    name: private
    module: transforms
    storages:
      default: {root: data}
      plain: {root: out, options: {quote_char: none}}
      dated: {root: out, options: {date_format: "%Y"}}
      file: {type: duckdb, root: data/d.duckdb}
    tables:
"""
COLUMNS = "{id: int64, em: {type: string, sensitive: true}}"
FILES = {
    "long": "id,em\n1,SECRET,x\n",
    "short": "id,em\n1,a\nSECRET\n",
    "unclosed": 'id,em\n1,"SECRET\n',
    "behind": 'id,em\n1,"a"SECRET\n',
    "headless": "1,SECRET\n2,SECRET\n",
    "other": "id;SECRET\n1;a\n",
    "below": 'id,em\n1,"SECRET"SECRET,x\n',
    "many": "id,em\n1,SECRET,x\n",
}


def test_readers_show_no_row_of_sensitive_columns(folder: ProjectFolder, cli: Cli) -> None:
    declared = [f"      {name}: {{kind: source, columns: {COLUMNS}}}" for name in FILES if name != "many"]
    declared += [f"      many: {{kind: source, path: 'parts/*', columns: {COLUMNS}}}"]
    declared += [f"      {name}: {{kind: source, storage: file, columns: {COLUMNS}}}" for name in "vw"]
    folder.write("lakehouse.yaml", SOURCES + "\n".join(declared) + "\n")
    folder.write("transforms.py", "")
    for name, text in FILES.items():
        folder.write(f"data/parts/{name}.csv" if name == "many" else f"data/{name}.csv", text)
    folder.write("data/parts/other.csv", "id,em\n1,SECRET,x\n")
    with duckdb.connect(folder.path / "data/d.duckdb") as connection:
        connection.execute("CREATE TABLE t AS SELECT 'SECRET' AS em, 77770000000 AS n")
        connection.execute("CREATE VIEW v AS SELECT em::INT AS id, em FROM t")
        connection.execute("CREATE VIEW w AS SELECT n::INT AS id, em FROM t")
    for command in (("check",), ("check", "-o", "json"), ("run", "-o", "json", *FILES), ("show", "long")):
        done = cli(*command)
        assert done.code == 1
        assert "SECRET" not in done.out + done.err, command
        assert "77770000000" not in done.out + done.err, command
    said = cli("check").err
    assert "line 2 of `data/long.csv` has 3 values where 2 are expected: *** (data/long.csv:2)" in said
    assert "*** follows a closing quote on line 2 of `data/behind.csv`" in said
    assert "its columns are ***, ***" in said
    assert "data/d.duckdb/v cannot be read: Conversion Error: Could not convert string *** when casting" in said
    assert "data/d.duckdb/w cannot be read: Conversion Error: Type INT64 with value *** when casting" in said
    assert not any("SECRET" in each.read_text() for each in _kept(folder.path))
    # Without such a column the row is shown.
    folder.write("lakehouse.yaml", folder.read("lakehouse.yaml").replace("sensitive: true", "nullable: true"))
    assert "expected: 1,SECRET,x" in cli("check", "long").err


def test_writers_show_no_value_of_sensitive_tables(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        f"{SOURCES}      t: {{storage: plain, columns: {COLUMNS}}}\n"
        "      d: {storage: dated, columns: {at: {type: date32, sensitive: true}}}\n",
    )
    code = "import datetime\nimport pyarrow as pa\ndef t(): return pa.table({'id': [1], 'em': ['a,SECRET']})\n"
    folder.write("transforms.py", f"{code}def d(): return pa.table({{'at': [datetime.date(1987, 6, 5)]}})\n")
    done = cli("run", "-o", "json")
    said = {each["name"]: each["error"]["message"] for each in done.json["tables"]}
    assert said["t"] == "column `em`: *** cannot be written without quotes, and `quote_char` is none"
    assert said["d"].startswith("column `at`: *** would not be read back as it is from ***, in the format `%Y`")
    assert "SECRET" not in done.out + done.err
    assert "1987" not in done.out + done.err


def test_files_of_tests_show_no_sensitive_row(folder: ProjectFolder, cli: Cli) -> None:
    tests = "tests: [{name: a, given: {raw: {csv: g.csv}}, expect: {csv: e.csv}}]"
    columns = "columns: {id: int64, n: {type: int64, sensitive: true}}"
    folder.declare(
        f"raw: {{kind: source, {columns}}}\nt: {{inputs: [raw], {columns}, {tests}}}", "def t(raw): return raw\n"
    )
    folder.write("g.csv", "id,n\n1,SECRET,x\n")
    folder.write("e.csv", "id,n\n1,SECRET\n")
    ragged = cli("test")
    assert (ragged.code, "SECRET" in ragged.err) == (3, False)
    assert "line 2 of `g.csv` has 3 values where 2 are expected: ***" in ragged.err
    folder.write("g.csv", "id,n\n1,SECRET\n")
    unfit = cli("test")
    assert (unfit.code, "SECRET" in unfit.err) == (3, False)
    assert "1 value of column `n` is not as declared" in unfit.err


def _kept(folder: Path) -> list[Path]:
    return [each for each in (folder / ".lakehouse").rglob("*.json*") if each.is_file()]
