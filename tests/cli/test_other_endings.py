"""A source whose file has another ending, than its options say: the hint is followed, and it is read."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

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
