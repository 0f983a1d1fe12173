"""Queries and lazy frames over large files, which their engines read by themselves or piece by piece."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import StorageError
from lakehouse_cli.runner import stored_inputs
from tests.conftest import Cli, ProjectFolder

YAML = """\
name: big
module: transforms
storages:
  default: {{root: data, format: {format}}}
tables:
  given:
    kind: source
    columns: {{id: int64, day: date32, name: {{type: string, nullable: false}}}}{key}
  chosen:
    sql: select name, count(*) as n, min(day) as first from given where id % 2 = 0 group by name
    columns: {{name: string, n: int64, first: date32}}
  both:
    sql: select count(*) as n from given a join given b using (id)
  twice:
    sql: select id from given union all select id from given
    columns: {{id: int64}}
  lazy:
    columns: {{id: int64, name: string}}
    key: id
"""
LAZY = """\
import polars as pl

def lazy(given: pl.LazyFrame) -> pl.LazyFrame:
    return given.filter(pl.col("id") % 3 == 0).select("id", "name")
"""
ROWS = 5_000


@pytest.fixture(autouse=True)
def none_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stored table is as large as those that queries do not share in memory."""
    monkeypatch.setattr(stored_inputs, "_SHARED", 0)


def rows(**other: Any) -> pa.Table:
    days = [date(2024, 1, 1) + timedelta(days=row % 90) for row in range(ROWS)]
    columns = {"id": list(range(ROWS)), "day": days, "name": [f"n{row % 7}" for row in range(ROWS)]}
    names = {"id": pa.int64(), "day": pa.date32(), "name": pa.string()}
    return pa.table({**columns, **other}, schema=pa.schema(names))


def declare(folder: ProjectFolder, format_: str = "parquet", key: str = "") -> None:
    folder.write("lakehouse.yaml", YAML.format(format=format_, key=key))
    folder.write("transforms.py", LAZY)


def store(folder: ProjectFolder, table: pa.Table, path: str = "data/given.parquet") -> None:
    folder.path.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder.path / path, row_group_size=1_000)


def failed(cli: Cli) -> dict[str, Any]:
    """The first error of a run, which is the source's where it is one's."""
    errors = [table["error"] for table in cli("run", "chosen", "-o", "json").json["tables"]]
    found: dict[str, Any] = next(error for error in errors if error is not None)
    return found


def test_results_are_those_of_whole_tables(folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(folder)
    store(folder, rows())
    names = ("chosen", "both", "twice", "lazy")
    assert cli("run").code == 0
    by_itself = [pq.read_table(folder.path / f"data/{name}.parquet") for name in names]
    monkeypatch.setattr(stored_inputs, "_SHARED", 1 << 40)
    assert cli("run", "--force").code == 0
    assert [pq.read_table(folder.path / f"data/{name}.parquet") for name in names] == by_itself
    assert by_itself[0].to_pylist()[0] == {"name": "n0", "n": 358, "first": date(2024, 1, 1)}
    assert [by_itself[1]["n"].to_pylist(), by_itself[2].num_rows] == [[ROWS], 2 * ROWS]
    manifest = json.loads(folder.read("data/.lakehouse/manifests/chosen.json"))
    assert manifest["inputs"]["given"][1] == ROWS


def test_other_formats_are_read_piece_by_piece(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, "csv")
    text = "".join(f"{row},2024-01-01,n{row % 7}\n" for row in range(ROWS))
    folder.write("data/given.csv", f"id,day,name\n{text}")
    assert cli("run").code == 0
    assert folder.read("data/both.csv") == f"n\n{ROWS}\n"
    assert len(folder.read("data/twice.csv").splitlines()) == 2 * ROWS + 1
    folder.write("data/given.csv", f"id,day,name\n{text}x,2024-01-01,n\n")
    assert f"line {ROWS + 2:,}" in json.dumps(failed(cli))


def test_a_source_is_judged_all_the_same(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    store(folder, rows(name=[None if row == 4_321 else "n" for row in range(ROWS)]))
    assert failed(cli)["message"] == "column `name` has 1 null but is declared `nullable: false`"
    declare(folder, key="\n    key: id")
    store(folder, rows(id=[row % 4_999 for row in range(ROWS)]))
    assert failed(cli)["message"] == "key `id`: 1 row repeats an earlier key"


def test_what_duckdb_takes_for_infinity_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    store(folder, rows(day=pa.array([(1 << 31) - 1] * ROWS, pa.int32()).cast(pa.date32())))
    assert "outside the range of DuckDB's" in failed(cli)["message"]


def test_folders_that_look_like_patterns_and_partitions(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    for name in ("name=x", "[ab]"):
        text = YAML.format(
            format="parquet", key=f"\n    path: {name!r}/given".replace("'", '"').replace('"/given', '/given"')
        )
        folder.write("lakehouse.yaml", text)
        store(folder, rows(), f"data/{name}/given.parquet")
        assert cli("run", "chosen", "--force").code == 0
        assert pq.read_table(folder.path / "data/chosen.parquet").to_pylist()[0]["name"] == "n0"


def test_damaged_file_is_reported(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    store(folder, rows())
    path = folder.path / "data/given.parquet"
    data = bytearray(path.read_bytes())
    data[4:4_000] = bytes(3_996)
    path.write_bytes(data)
    error = failed(cli)
    assert "Traceback" not in json.dumps(error)
    assert error["message"]


@pytest.mark.parametrize("by", ["lazy", "sql"])
def test_a_damaged_computed_table_is_no_other_value(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Engines look at no checksums of pages: what is not as it was stored goes through Arrow, which does."""
    monkeypatch.setattr("lakehouse_cli.runner.stored_inputs._SHARED", 0)
    of = {"lazy": "{inputs: [made]}", "sql": "{inputs: [made], sql: select max(v) as v from made where v > 1}"}
    folder.write(
        "lakehouse.yaml",
        "name: damaged\nmodule: transforms\nstorages: {default: {format: parquet}}\ntables:\n"
        f"  made: {{inputs: [], uses: {{}}, columns: {{v: float64}}}}\n  total: {of[by]}\n",
    )
    folder.write(
        "transforms.py",
        """
        import numpy as np
        import pandas as pd
        import polars as pl


        def made():
            return pd.DataFrame({"v": np.arange(50_000) * 1.0})


        def total(made: pl.LazyFrame) -> pl.LazyFrame:
            return made.filter(pl.col("v") > 1).select(pl.col("v").sum())
        """,
    )
    assert cli("run").code == 0
    path = folder.path / "data/made.parquet"
    chunk = pq.read_metadata(path).row_group(0).column(0)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 64
    path.write_bytes(data)
    ended = cli("run", "total", "--force", "-o", "json")
    assert ended.code == 1
    assert "checksum" in ended.out


def test_an_engine_reads_only_the_bytes_that_were_seen(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    store(folder, rows())
    assert cli("run").code == 0
    project = Project.load(folder.path)
    table = project.graph.tables["given"]
    storage = project.storages[table.storage]
    record = storage.content(table, ())
    assert record is not None
    found = storage.scan(table, table.columns).native(record)
    assert found is not None
    assert found.rows == ROWS
    assert storage.scan(table, table.columns).native(record._replace(content_hash="other")) is None
    store(folder, rows().slice(1))
    with pytest.raises(StorageError, match="changed while it was read"):
        found.check()


NAN = """\
name: big
module: transforms
storages:
  default: {root: data, format: parquet}
  text: {root: text}
tables:
  given: {kind: source, columns: {id: int64, x: float64, f: float32}}
  same: {storage: text, columns: {id: int64, x: float64, f: float32}, inputs: {table: given}, function: same}
"""
ASKED = {
    "above": "id, x from {} where x > 1e6",
    "most": "max(x) as x, min(f) as f from {}",
    "equal": "id from {} where x = 'nan'",
    "not_below": "id from {} where not x <= 1e6",
    "first": "id, x from {} order by x desc, id limit 3",
    "is_nan": "id from {} where isnan(f)",
    "least_alone": "min(x) as x, min(f) as f from {}",
}


def test_floats_are_those_of_the_columns_and_not_of_their_footers(folder: ProjectFolder, cli: Cli) -> None:
    tables = [
        f'  {name}_{table}: {{storage: text, sql: "select {query.format(table)}"}}\n'
        for name, query in ASKED.items()
        for table in ("given", "same")
    ]
    folder.write("lakehouse.yaml", NAN + "".join(tables) + "  lazy: {key: id}\n")
    code = "\ndef same(table: pa.Table) -> pa.Table:\n    return table\n"
    lazy = 'def lazy(given: pl.LazyFrame) -> pl.LazyFrame:\n    return given.filter(pl.col("x") > 1e6)\n'
    folder.write("transforms.py", f"import polars as pl\nimport pyarrow as pa\n{code}\n\n{lazy}")
    values = [float("nan") if row in (17, 4_321) else float(row) for row in range(ROWS)]
    values[0] = 0.0  # in a footer, the least zero is -0.0
    floats = pa.table({"id": range(ROWS), "x": values, "f": pa.array(values, pa.float32())})
    store(folder, floats)
    assert cli("run", "same").code == 0  # by itself: what it takes as a whole the others would be given
    done = cli("run")
    assert done.code == 0, done.err
    for name in ASKED:
        assert folder.read(f"text/{name}_given.csv") == folder.read(f"text/{name}_same.csv"), name
    assert folder.read("text/above_given.csv").count("\n") == 3
    assert folder.read("text/least_alone_given.csv") == "x,f\n0.0,0.0\n"
    assert pq.read_table(folder.path / "data/lazy.parquet")["id"].to_pylist() == [17, 4_321]


def test_float_sums_do_not_depend_on_where_rows_come_from(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = (
        "  made: {columns: {id: int64, x: float64}, key: id}\n  copy: {storage: text, sql: from made}\n"
        "  of_made: {storage: text, sql: 'select sum(x) as s, avg(x) as a from made where id % 3 > 0'}\n"
        "  of_copy: {storage: text, sql: 'select sum(x) as s, avg(x) as a from copy where id % 3 > 0'}\n"
    )
    head = NAN[: NAN.index("  given:")]
    folder.write("lakehouse.yaml", head + tables)
    code = "    x = np.random.default_rng(1).normal(size=400_000) * 1e9\n"
    code += "    table = pa.table({'id': range(400_000), 'x': x})\n"
    code += "    return pa.concat_tables(table.slice(at, 1_000) for at in range(0, 400_000, 1_000))\n"
    folder.write("transforms.py", f"import numpy as np\nimport pyarrow as pa\n\n\ndef made() -> pa.Table:\n{code}")
    found: set[str] = set()
    for shared in (1 << 40, 0):
        monkeypatch.setattr(stored_inputs, "_SHARED", shared)
        assert cli("run").code == 0
        assert cli("run", "--force", "of_made", "of_copy").code == 0
        found |= {folder.read(f"text/{name}.csv") for name in ("of_made", "of_copy")}
    assert len(found) == 1


IPC = """\
name: big
module: transforms
storages:
  default: {root: data, format: ipc}
  text: {root: text}
tables:
  given: {kind: source, columns: {id: int64, name: string}}
  made: {columns: {id: int64, name: string}, key: id, inputs: [given], function: same}
  of_source: {storage: text, inputs: [given], function: reading}
  of_made: {storage: text, inputs: [made], function: reading}
  thirds: {storage: text, inputs: [made], function: thirds, key: id}
"""
READING = """\
import polars as pl
import pyarrow as pa


def same(table: pa.Table) -> pa.Table:
    return table


def reading(table: pl.LazyFrame) -> pl.LazyFrame:
    plan = table.filter(pl.col("id") > 7).select("id").explain()
    return pl.LazyFrame({"plan": ["native" if "Ipc SCAN" in plan and "PROJECT 1/2 COLUMNS" in plan else "arrow"]})


def thirds(table: pl.LazyFrame) -> pl.LazyFrame:
    return table.filter(pl.col("id") % 3 == 0)
"""


def store_arrow_file(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def test_lazy_frames_scan_arrow_files_that_lakehouse_wrote(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", IPC)
    folder.write("transforms.py", READING)
    data = rows().select(["id", "name"])
    store_arrow_file(folder.path / "data/given.arrow", data)
    assert cli("run", "made").code == 0
    assert cli("run").code == 0  # whose inputs are read as stored
    assert folder.read("text/of_source.csv") == "plan\narrow\n"
    assert folder.read("text/of_made.csv") == "plan\nnative\n"
    assert folder.read("text/thirds.csv").splitlines() == [
        "id,name",
        *(f"{row},n{row % 7}" for row in range(0, ROWS, 3)),
    ]
    # The same rows, written by something else: `made` is not run, and is not what lakehouse wrote.
    store_arrow_file(folder.path / "data/made.arrow", data)
    assert cli("run", "of_made", "thirds").code == 0
    assert folder.read("text/of_made.csv") == "plan\narrow\n"


def test_damaged_arrow_file_of_a_lazy_frame_is_reported(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", IPC)
    folder.write("transforms.py", READING)
    store_arrow_file(folder.path / "data/given.arrow", rows().select(["id", "name"]))
    assert cli("run").code == 0
    path = folder.path / "data/made.arrow"
    data = bytearray(path.read_bytes())
    data[8:4_000] = bytes(3_992)
    path.write_bytes(data)
    [error] = [table["error"] for table in cli("run", "thirds", "-o", "json").json["tables"]]
    assert error["message"].startswith(
        "`made` was modified outside lakehouse: `data/made.arrow` is not an Arrow IPC file, or is damaged"
    )


@pytest.mark.parametrize("format_", ["parquet", "ipc"])
def test_names_that_polars_takes_for_patterns(folder: ProjectFolder, cli: Cli, format_: str) -> None:
    columns = '{"*": int64, "^a.*$": int64, ab: int64}'
    folder.write(
        "lakehouse.yaml",
        f"name: x\nmodule: transforms\nstorages:\n  default: {{root: data, format: {format_}}}\n"
        f"  text: {{root: text}}\ntables:\n  made: {{columns: {columns}}}\n"
        f"  lazy: {{storage: text, columns: {columns}}}\n",
    )
    folder.write(
        "transforms.py",
        "import polars as pl\nimport pyarrow as pa\n\n\ndef made() -> pa.Table:\n"
        "    return pa.table({'*': [1], '^a.*$': [2], 'ab': [3]})\n\n\n"
        "def lazy(made: pl.LazyFrame) -> pl.LazyFrame:\n    assert 'SCAN' in made.explain()\n    return made\n",
    )
    assert cli("run", "made").code == 0
    done = cli("run")
    assert done.code == 0, done.err
    assert folder.read("text/lazy.csv") == "*,^a.*$,ab\n1,2,3\n"


@pytest.mark.parametrize(
    "storage", ["{root: data, format: parquet, options: {row_group_rows: 50000}}", "{root: data, type: delta}"]
)
def test_lazy_frame_reads_the_columns_that_it_needs(folder: ProjectFolder, cli: Cli, storage: str) -> None:
    """Also of a computed table that polars cannot read by itself, as for NaN: a damaged column is not looked at."""
    columns = "columns: {id: int64, x: float64, name: string}"
    folder.write(
        "lakehouse.yaml",
        f"name: x\nmodule: transforms\nstorages:\n  default: {storage}\n  text: {{root: text}}\ntables:\n"
        f"  made: {{{columns}}}\n  ids: {{storage: text, inputs: [made]}}\n  names: {{storage: text, inputs: [made]}}\n"
        "  count: {storage: text, inputs: [made]}\n",
    )
    lazy = "def {}(made: pl.LazyFrame) -> pl.LazyFrame:\n    return made{}\n\n\n"
    folder.write(
        "transforms.py",
        "import polars as pl\nimport pyarrow as pa\n\n\ndef made() -> pa.Table:\n    ids = list(range(700_000))\n"
        "    names = [f'name {row * 7919 % 700_000}' for row in ids]\n"
        "    return pa.table({'id': ids, 'x': [float('nan')] * 700_000, 'name': names})\n\n\n"
        + lazy.format("ids", ".filter(pl.col('id') % 100_000 == 1).select('id')")
        + lazy.format("names", ".select('name')")
        + lazy.format("count", ".select(n=pl.len())"),
    )
    assert cli("run", "made").code == 0
    [path] = folder.path.glob("data/**/*.parquet")
    data = bytearray(path.read_bytes())
    file = pq.ParquetFile(path)
    chunk = file.metadata.row_group(file.metadata.num_row_groups - 1).column(2)
    at = (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size // 2
    data[at : at + 100] = bytes(100)
    path.write_bytes(data)
    tables = {each["name"]: each for each in cli("run", "ids", "names", "count", "-o", "json").json["tables"]}
    assert tables["names"]["status"] == "failed"
    assert "damaged" in tables["names"]["error"]["message"]
    errors = [tables[name]["error"] for name in ("ids", "count")]
    assert errors == [None, None], errors
    assert folder.read("text/ids.csv") == "id\n" + "".join(f"{row}\n" for row in range(1, 700_000, 100_000))
    assert folder.read("text/count.csv") == "n\n700000\n"
