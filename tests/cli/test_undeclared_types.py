"""Columns that are not declared: types that a storage cannot hold are refused before anything is stored."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pytest

from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PostgreSQL

STORAGES = {
    "sqlite": "{type: sqlite, root: data/lake.db}",
    "duckdb": "{type: duckdb, root: data/lake.db}",
    "delta": "{type: delta, root: data}",
    "csv": "{root: data, format: csv}",
    "jsonl": "{root: data, format: jsonl}",
    "json": "{root: data, format: json}",
    "parquet": "{root: data, format: parquet}",
    "ipc": "{root: data, format: ipc}",
}


def returning(folder: ProjectFolder, storage: str, array: str) -> None:
    folder.write("lakehouse.yaml", f"name: n\nmodule: t\nstorages: {{default: {storage}}}\ntables: {{made: {{}}}}\n")
    folder.write("t.py", f"import pyarrow as pa\n\ndef made():\n    return pa.table({{'v': {array}}})\n")


def refusal(cli: Cli) -> str:
    done = cli("run", "-o", "json")
    assert done.code == 1
    (table,) = done.json["tables"]
    assert table["error"]["type"] == "ContractError"
    return str(table["error"]["message"])


@pytest.mark.parametrize(
    ("storage", "array", "reported"),
    [
        ("sqlite", "pa.array([2**64 - 1], pa.uint64())", "uint64 goes beyond its integers"),
        ("sqlite", "pa.array([[1]])", "list<int64> is nested"),
        ("sqlite", "pa.array([{'a': 1}])", "struct<a: int64> is nested"),
        ("duckdb", "pa.array([[1]], pa.list_(pa.duration('us')))", "durations inside of others"),
        ("delta", "pa.array([1], pa.time64('us'))", "Delta Lake has no time64[us]"),
    ],
)
def test_undeclared_type_beyond_a_storage_is_refused(
    folder: ProjectFolder, cli: Cli, storage: str, array: str, reported: str
) -> None:
    returning(folder, STORAGES[storage], array)
    message = refusal(cli)
    assert f"storage type {storage} cannot hold column `v`, which is not declared: " in message
    assert reported in message


@pytest.mark.parametrize(
    ("array", "reported"),
    [
        ("pa.array([{'a': 1}])", "no counterpart in PostgreSQL"),
        ("pa.array([[[1]]])", "arrays of PostgreSQL hold plain values"),
        ("pa.array([1], pa.timestamp('ns'))", "declare timestamp[us]"),
    ],
)
def test_undeclared_type_beyond_postgresql_is_refused(
    folder: ProjectFolder, cli: Cli, postgresql_server: PostgreSQL, array: str, reported: str
) -> None:
    returning(folder, f"{{root: '{postgresql_server.url(postgresql_server.new_database())}'}}", array)
    assert reported in refusal(cli)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(
    "array",
    ["pa.array([{}, None], pa.struct([]))", "pa.array([[{'a': {}}]], pa.list_(pa.struct([('a', pa.struct([]))])))"],
)
def test_struct_without_fields_is_refused(folder: ProjectFolder, cli: Cli, storage: str, array: str) -> None:
    returning(folder, STORAGES[storage], array)
    message = refusal(cli)
    assert "which no column type holds; convert or drop the column" in message
    assert not list(Path("data").rglob("made*"))


def test_ipc_struct_without_fields_is_named(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: n
        module: t
        storages: {default: {root: data, format: ipc}}
        tables: {raw: {kind: source}, made: {inputs: [raw]}}
        """,
    )
    folder.write("t.py", "def made(raw):\n    return raw\n")
    Path("data").mkdir()
    table = pa.table({"id": [1], "v": pa.array([{}], pa.struct([]))})
    with pyarrow.ipc.new_file("data/raw.arrow", table.schema) as writer:
        writer.write_table(table)
    done = cli("run")
    assert done.code == 1
    assert "column `v` of `data/raw.arrow` is stored as struct<>" in done.err


def test_undeclared_value_beyond_a_storage_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    returning(folder, STORAGES["sqlite"], "pa.array([2932897], pa.date32())")
    done = cli("run", "-o", "json")
    assert (
        "`v` holds 1 value that is outside of the years 1 to 9999 (row 1: "
        in done.json["tables"][0]["error"]["message"]
    )


@pytest.mark.parametrize("storage", STORAGES)
def test_undeclared_type_that_no_text_names_is_refused(folder: ProjectFolder, cli: Cli, storage: str) -> None:
    arrays = {
        "fields": "pa.array([{'dc:title': 'x'}])",
        "zone": "pa.array([1], pa.timestamp('us', 'Z'))",
        "twice": "pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(['x']).dictionary_encode())",
    }
    table = f"pa.table({{{', '.join(f'{name!r}: {array}' for name, array in arrays.items())}}})"
    folder.write(
        "lakehouse.yaml", f"name: n\nmodule: t\nstorages: {{default: {STORAGES[storage]}}}\ntables: {{made: {{}}}}\n"
    )
    folder.write("t.py", f"import pyarrow as pa\n\ndef made():\n    return {table}\n")
    done = cli("run", "-o", "json")
    assert done.code == 1
    violations = done.json["tables"][0]["error"]["violations"]
    assert [each["column"] for each in violations] == list(arrays)
    assert done.json["tables"][0]["status"] == "failed"
    assert cli("show", "made").code == 1
