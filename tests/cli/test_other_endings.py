"""A source whose file has another ending, than its options say: the hint is followed, and it is read."""

from __future__ import annotations

import gzip
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from lakehouse_cli import Project
from lakehouse_cli.errors import MissingDataError

CSV = b"a,b\n1,x\n"


def load(folder: Path, **keys: str) -> Project:
    options = "{" + ", ".join(f"{name}: {value}" for name, value in keys.items() if name != "format") + "}"
    form = f"format: {keys['format']}, " if "format" in keys else ""
    source = f"{{kind: source, {form}options: {options}, columns: {{a: int64, b: string}}}}"
    (folder / "lakehouse.yaml").write_text(f"name: p\nmodule: transforms\ntables:\n  s: {source}\n")
    (folder / "transforms.py").write_text("")
    return Project.load(folder)


def parquet_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"a": [1], "b": ["x"]}), sink)
    return bytes(sink.getvalue())


def feather_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    feather.write_feather(pa.table({"a": [1], "b": ["x"]}), sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("s.txt", CSV, {}),
        ("s.CSV", CSV, {}),
        ("s.csv.txt.gz", gzip.compress(CSV), {}),
        ("s.tsv", CSV.replace(b",", b"\t"), {}),
        ("s.tsv.gz", gzip.compress(CSV.replace(b",", b"\t")), {}),
        ("s.csv", gzip.compress(CSV), {"compression": "gzip"}),
        ("s.csv.gz", gzip.compress(CSV), {"compression": "none"}),
        ("s.parquet", parquet_bytes(), {}),
        ("s.jsonl", b'{"a": 1, "b": "x"}\n', {}),
        ("s.ndjson", b'{"a": 1, "b": "x"}\n', {}),
        ("s.pq", parquet_bytes(), {}),
        ("s.feather", feather_bytes(), {}),
        ("s.v2.PARQUET", parquet_bytes(), {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hint_names_what_reads_the_file(tmp_path: Path, name: str, data: bytes, options: dict[str, str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(data)
    with pytest.raises(MissingDataError) as caught:
        load(tmp_path, **options).read_arrow("s")
    hint = caught.value.hint or ""
    assert hint.startswith(f"data/{name} is there: ")
    if hint.endswith("from its options") and "remove" in hint:
        options = {}
    else:
        options = options | dict(re.findall(r"`(\w+): ([^`]+)`", hint))
    assert load(tmp_path, **options).read_arrow("s").to_pydict() == {"a": [1], "b": ["x"]}


def missing_hint(folder: Path, **keys: str) -> str:
    with pytest.raises(MissingDataError) as caught:
        load(folder, **keys).read_arrow("s")
    return caught.value.hint or ""


@pytest.mark.parametrize(
    ("format_", "name", "advice"),
    [
        *(
            ("excel", f"s.{ending}", "no format reads such files: save it as .xlsx")
            for ending in ("xls", "xlsb", "ods")
        ),
        ("excel", "s.XLSX", "rename it to s.xlsx"),
        ("excel", "s.xlsx.gz", "unpack it"),
        *(
            ("csv", f"s.{ending}", "no format reads such files: save it as .csv")
            for ending in ("xls", "avro", "html", "rds")
        ),
        *(("csv", f"s.csv.{ending}", "unpack it") for ending in ("xz", "zip", "Z", "7z")),
        *(("csv", f"s.{ending}", "unpack it") for ending in ("zip", "parquet.gz", "feather.zst")),
        ("csv", "s.sqlite", "if it is a database, read it by a storage of `type: sqlite` whose `root:` is this file"),
        ("parquet", "s.duckdb", "if it is a database, read it by a storage of `type: duckdb` whose"),
        ("parquet", "s.orc", "no format reads such files: save it as .parquet"),
        ("parquet", "s.feather", "set `format: ipc` and the option `suffix: .feather`"),
        ("parquet", "s.tsv", 'set `format: csv` and the option `suffix: .tsv` and `delimiter: "\\t"`'),
        ("parquet", "s.pq", "set `suffix: .pq` in its options"),
        ("parquet", "s.snappy.parquet", "set `suffix: .snappy.parquet` in its options"),
        ("csv", "s.2024.parquet", "set `format: parquet` and the option `suffix: .2024.parquet`"),
        ("csv", "s.xlsm", "set `format: excel` and the option `suffix: .xlsm`"),
    ],
)
def test_advice_for_what_is_there(tmp_path: Path, format_: str, name: str, advice: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).touch()
    assert missing_hint(tmp_path, format=format_).startswith(f"data/{name} is there: {advice}")


@pytest.mark.parametrize("name", ["s.md5", "s.dat", "s.xlsx.py"])
def test_unknown_ending_beside_a_binary_format_is_not_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).touch()
    for format_ in ("parquet", "ipc", "excel"):
        assert missing_hint(tmp_path, format=format_).startswith("put the file there")


@pytest.mark.parametrize("packed", [False, True])
def test_json_and_lines_under_one_ending(tmp_path: Path, *, packed: bool) -> None:
    (tmp_path / "data").mkdir()
    ending = ".json.gz" if packed else ".json"
    file = tmp_path / f"data/s{ending}"
    lines = b'{"a": 1, "b": "x"}\n'
    for data, options in ((lines, {"format": "jsonl", "suffix": ".json"}), (b"[" + lines + b"]", {"format": "json"})):
        file.write_bytes(gzip.compress(data) if packed else data)
        assert missing_hint(tmp_path, format="jsonl") == (
            f"data/s{ending} is there: if it has an object a line, set `suffix: .json` in its options; "
            "if not, set `format: json`"
        )
        assert load(tmp_path, **options).read_arrow("s").to_pydict() == {"a": [1], "b": ["x"]}


def test_database_is_read_by_its_storage(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data/s.db")) as connection:
        connection.execute("CREATE TABLE s AS SELECT 1 AS a, 'x' AS b")
        connection.commit()
    assert "storage of `type: sqlite` whose `root:` is this file" in missing_hint(tmp_path)
    source = "{kind: source, storage: db, columns: {a: int64, b: string}}"
    (tmp_path / "lakehouse.yaml").write_text(
        f"name: p\nstorages: {{db: {{type: sqlite, root: data/s.db}}}}\ntables:\n  s: {source}\n"
    )
    assert Project.load(tmp_path).read_arrow("s").to_pydict() == {"a": [1], "b": ["x"]}


def test_file_that_needs_the_smallest_change_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("s.bak", "s.csv.zip", "s.html", "s.parquet", "s.tsv", "s.txt"):
        (tmp_path / "data" / name).touch()
    order = ["s.tsv", "s.txt", "s.parquet"]
    for name in order:
        assert missing_hint(tmp_path).startswith(f"data/{name} is there")
        (tmp_path / "data" / name).unlink()


@pytest.mark.parametrize(
    ("declared", "there"), [("Sales", "sales"), ("sales_2024", "sales-2024"), ("raw/A b", "raw/a_b")]
)
def test_name_that_differs_in_case_or_dashes(tmp_path: Path, declared: str, there: str) -> None:
    file = tmp_path / f"data/{there}.csv"
    file.parent.mkdir(parents=True)
    file.write_bytes(CSV)
    text = "name: p\ntables:\n  s: {{kind: source, path: {}, columns: {{a: int64, b: string}}}}\n"
    (tmp_path / "lakehouse.yaml").write_text(text.format(declared))
    with pytest.raises(MissingDataError) as caught:
        Project.load(tmp_path).read_arrow("s")
    assert caught.value.hint == f"data/{there}.csv is there: set `path: {there}`"
    (tmp_path / "lakehouse.yaml").write_text(text.format(there))
    assert Project.load(tmp_path).read_arrow("s").to_pydict() == {"a": [1], "b": ["x"]}


def test_hint_without_any_file_is_as_before(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"data/s\.csv does not exist") as caught:
        load(tmp_path).read_arrow("s")
    assert caught.value.hint == "put the file there, or correct `path:` or the storage's `root:`"


def test_file_without_an_ending_is_to_be_renamed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "s").write_bytes(parquet_bytes())
    with pytest.raises(MissingDataError) as caught:
        load(tmp_path, format="parquet").read_arrow("s")
    found = re.fullmatch(r"(.+) is there, without an ending: rename it to (.+)", caught.value.hint or "")
    assert found is not None
    (tmp_path / found[1]).rename(tmp_path / found[2])
    assert load(tmp_path, format="parquet").read_arrow("s").to_pydict() == {"a": [1], "b": ["x"]}
