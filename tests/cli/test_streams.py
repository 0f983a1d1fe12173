"""Transforms that take and give tables batch by batch."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli.cli.main import invoke
from lakehouse_cli.contracts import keys
from lakehouse_cli.formats.parquet import format as parquet
from lakehouse_cli.runner import external_sort, row_order
from lakehouse_cli.transforms.queries import connection, results
from tests.conftest import Cli, ProjectFolder

EXECUTORS = ["threads", "serial", "processes"]
ROWS = 140_000
HEAD = """\
from collections.abc import Generator, Iterator
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

def batches(*columns):
    for column in columns:
        yield pa.RecordBatch.from_pydict({"a": column})

"""


@pytest.fixture
def numbers(folder: ProjectFolder) -> ProjectFolder:
    """A source of many numbers, whose file takes several blocks."""
    folder.write(
        "lakehouse.yaml",
        """
        name: streams
        module: transforms
        storages:
          default: {root: data}
          pq: {root: pq, format: parquet}
          ipc: {root: ipc, format: ipc}
          lines: {root: lines, format: jsonl}
        tables:
          numbers: {kind: source, columns: {id: int64, half: float64, text: string}}
        """,
    )
    path = folder.path / "data/numbers.csv"
    path.parent.mkdir()
    path.write_bytes(rows())
    return folder


@cache
def rows() -> bytes:
    return b"id,half,text\n" + b"".join(b"%d,%.1f,text number %d\n" % (i, i / 2, i) for i in range(ROWS))


def add(folder: ProjectFolder, declarations: str, code: str) -> None:
    folder.add("lakehouse.yaml", declarations)
    folder.write("transforms.py", HEAD + code)


def run_of(*argv: str) -> tuple[int, dict[str, Any]]:
    with redirect_stdout(io.StringIO()) as out:
        code = invoke(("run", "-o", "json", *argv))
    return code, {table["name"]: table for table in json.loads(out.getvalue())["tables"]}


CHAIN = """\
def even(numbers: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    for batch in numbers:
        yield batch.filter(pc.equal(pc.bit_wise_and(batch["id"], 1), 0))

def quarter(even: Iterator[pa.RecordBatch]) -> pa.RecordBatchReader:
    chosen = (batch.filter(pc.equal(pc.bit_wise_and(batch["id"], 3), 0)) for batch in even)
    return pa.RecordBatchReader.from_batches(even.schema, chosen)

def lines(quarter: pa.RecordBatchReader) -> pa.RecordBatchReader:
    return quarter

def count(lines: "Iterator[pa.RecordBatch]", numbers: pd.DataFrame):
    return pd.DataFrame({"rows": [sum(b.num_rows for b in lines)], "of": [len(numbers)]})
"""
TABLES = """\
          even: {storage: pq, key: id}
          quarter: {storage: ipc, columns: {id: int64, half: float64, text: {type: string, nullable: false}}, key: id}
          lines: {storage: lines, columns: {id: int64, half: float64, text: string}}
          count: {}
"""


@pytest.mark.parametrize("executor", EXECUTORS)
def test_batches_go_from_format_to_format(numbers: ProjectFolder, executor: str, cli: Cli) -> None:
    add(numbers, TABLES.replace("          ", "  "), CHAIN)
    code, tables = run_of("--executor", executor)
    assert code == 0, tables
    counts = [tables[name]["rows"] for name in ("even", "quarter", "lines", "count")]
    assert counts == [ROWS // 2, ROWS // 4, ROWS // 4, 1]
    assert numbers.read("data/count.csv") == f"rows,of\n{ROWS // 4},{ROWS}\n"
    manifest = json.loads(numbers.read("pq/.lakehouse/manifests/even.json"))
    assert manifest["inputs"]["numbers"][1] == ROWS
    again, tables = run_of("--executor", executor)
    assert {table["status"] for table in tables.values()} == {"unchanged"}
    assert cli("diff").code == again == 0


def test_bytes_do_not_depend_on_batches(folder: ProjectFolder) -> None:
    tables = "".join(f"  {name}: {{storage: s_{name}}}\n" for name in ("csv", "parquet", "ipc", "jsonl", "json"))
    storages = "".join(
        f"  s_{name}: {{root: {name}, format: {name}}}\n" for name in ("csv", "parquet", "ipc", "jsonl", "json")
    )
    folder.write("lakehouse.yaml", f"name: x\nmodule: transforms\nstorages:\n{storages}tables:\n{tables}")
    hashes = []
    for size in (1, 7, 1_000, None):
        body = f"t.to_batches(max_chunksize={size})" if size else "[t.combine_chunks().to_batches()[0]]"
        code = "def made():\n    t = pa.table({'a': range(2_000), 'b': [str(i) for i in range(2_000)]})\n"
        code += f"    yield from {body}\n\n"
        for name in ("csv", "parquet", "ipc", "jsonl", "json"):
            code += f"def {name}() -> Iterator[pa.RecordBatch]:\n    return made()\n\n"
        folder.write("transforms.py", HEAD + code)
        assert run_of("--force")[0] == 0
        names = sorted(folder.path.glob("*/.lakehouse/manifests/*.json"))
        hashes.append([json.loads(name.read_text())["content_hash"] for name in names])
    assert all(each == hashes[0] for each in hashes)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("yield from batches([1], [2])\n    raise ValueError('half way')", "`t` raised ValueError: half way"),
        ("yield from batches([1, 2], [3, None])", "column `a` has 1 null but is declared `nullable: false`"),
        (
            "yield from batches([1], ['x', '2'], ['y'])",
            "`a` is declared int64 and holds 2 values that are not an integer",
        ),
        ("yield from batches([1, 2], [3], [2])", "key `a`: 1 row repeats an earlier key"),
        ("yield 5", "result of `t`: a value of type int is yielded where pyarrow.RecordBatch is expected"),
        ("yield pa.RecordBatch.from_pydict({'b': [1]})", "2 violations"),
    ],
)
def test_what_fails_late_leaves_the_old_table(folder: ProjectFolder, executor: str, code: str, message: str) -> None:
    folder.declare(
        "t: {columns: {a: {type: int64, nullable: false}}, key: a}",
        f"{HEAD}def t() -> Iterator[pa.RecordBatch]:\n    yield from batches([7], [8, 9])\n",
    )
    assert run_of()[0] == 0
    folder.write("transforms.py", f"{HEAD}def t() -> Iterator[pa.RecordBatch]:\n    {code}\n")
    exit_code, tables = run_of("--executor", executor)
    assert exit_code == 1
    assert tables["t"]["error"]["message"].startswith(message)
    assert folder.read("data/t.csv") == "a\n7\n8\n9\n"
    assert not [path for path in folder.path.glob("data/**/*") if "lakehouse-tmp" in path.name]


def test_violations_count_over_all_batches(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        "t: {columns: {a: int8}}",
        f"{HEAD}def t() -> Iterator[pa.RecordBatch]:\n    yield from batches([1, 200], [300], [2, 400])\n",
    )
    code, tables = run_of()
    [violation] = tables["t"]["error"]["violations"]
    assert (code, violation["count"]) == (1, 3)
    assert [(example["row"], example["value"]) for example in violation["examples"]] == [
        (2, "200"),
        (3, "300"),
        (5, "400"),
    ]
    assert "5" in cli("show", "t", "--failed").out


@pytest.mark.parametrize(
    ("code", "columns", "rows", "message"),
    [
        ("return iter([])", "{columns: {a: int64}}", 0, None),
        ("return iter([])", "{}", None, "result of `t`: no batch is yielded, so that nobody knows the columns"),
        ("return batches([], [], [])", "{columns: {a: int64}}", 0, None),
        ("return (b for _ in range(20_000) for b in batches(pa.array([], pa.int64())))", "{}", 0, None),
        (
            "return batches([1], [2.5])",
            "{}",
            None,
            "result of `t`: column `a` is float64 from row 2 on, and int64 before",
        ),
        ("return batches([1], [2.0])", "{columns: {a: int64}}", 2, None),
        (
            "yield from batches([1])\n    yield pa.RecordBatch.from_pydict({'b': [2]})",
            "{columns: {a: int64}, extra_columns: drop}",
            None,
            "column `a` is not in the result from row 2 on",
        ),
        (
            "yield from batches([1], [2])\n    yield pa.RecordBatch.from_pydict({'a': [3], 'b': [3]})",
            "{columns: {a: int64}}",
            None,
            "column `b`, which comes from row 3 on, is not declared; declare it, or set `extra_columns: drop`",
        ),
        ("return batches(list(range(300_000)))", "{key: a}", 300_000, None),
        ("return pa.table({'a': [1]})", "{}", 1, None),
        ("return pd.DataFrame({'a': [1]})", "{}", 1, None),
        ("return 5", "{}", None, "`t` returned an int; a transform returns a pyarrow.RecordBatchReader"),
    ],
)
def test_odd_batches(folder: ProjectFolder, code: str, columns: str, rows: int | None, message: str | None) -> None:
    folder.declare(f"t: {columns}", f"{HEAD}def t() -> Iterator[pa.RecordBatch]:\n    {code}\n")
    exit_code, tables = run_of()
    assert (exit_code, tables["t"]["rows"]) == (0 if message is None else 1, rows)
    assert message is None or tables["t"]["error"]["message"] == message


BAD_SOURCE = [
    ("-5,x,five\n", "`x` in column `half` of `data/numbers.csv` is not float64"),
    ("0,1.0,again\n", "key `id`: 1 row repeats an earlier key"),
]


@pytest.mark.parametrize(
    ("body", "executor"),
    [
        ("yield from numbers", "threads"),
        *(("yield next(numbers)", executor) for executor in EXECUTORS),
        ("yield numbers.read_all().to_batches()[0]", "threads"),
    ],
)
@pytest.mark.parametrize(("line", "message"), BAD_SOURCE, ids=["value", "key"])
def test_source_is_judged_to_its_end(numbers: ProjectFolder, executor: str, line: str, message: str, body: str) -> None:
    """Also where the transform stops early."""
    numbers.edit("lakehouse.yaml", "text: string}}", "text: string}, key: id}")
    add(numbers, "  t: {}\n", f"def t(numbers: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:\n    {body}\n")
    with (numbers.path / "data/numbers.csv").open("a") as file:
        file.write(line)
    code, tables = run_of("--executor", executor)
    assert (code, tables["t"]["status"], tables["numbers"]["status"]) == (1, "skipped", "failed"), tables
    assert tables["numbers"]["error"]["message"].startswith(message)
    [violation] = tables["numbers"]["error"]["violations"]
    assert [(example["row"], example["line"]) for example in violation["examples"]] == [(ROWS + 1, ROWS + 2)]
    assert not (numbers.path / "data/t.csv").exists()


def test_source_that_changes_while_it_is_read_is_not_stored(numbers: ProjectFolder) -> None:
    add(
        numbers,
        "  t: {}\n",
        "import os\n\ndef t(numbers: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:\n"
        "    for number, batch in enumerate(numbers):\n        if number == 0:\n"
        "            os.utime('data/numbers.csv', (1, 1))\n        yield batch\n",
    )
    code, tables = run_of()
    assert (code, tables["numbers"]["status"]) == (1, "failed")
    assert not (numbers.path / "data/t.csv").exists()


@pytest.mark.parametrize("kind", ["pa.RecordBatchReader", "pl.LazyFrame"])
def test_table_that_changes_before_it_is_left_early_is_refused(numbers: ProjectFolder, kind: str, cli: Cli) -> None:
    rest = "numbers: pa.RecordBatchReader) -> pa.RecordBatchReader:\n    return numbers\n\n"
    first = "next(iter(made))" if kind == "pa.RecordBatchReader" else "made.head(1).collect().to_arrow()"
    late = f"made: {kind}) -> pa.Table:\n    first = {first}\n    os.utime('data/made.csv', (1, 1))\n"
    columns = "columns: {id: int64, half: float64, text: string}"
    add(
        numbers,
        f"  made: {{{columns}}}\n  t: {{{columns}}}\n",
        f"import os\nimport polars as pl\n\ndef made({rest}def t({late}    return pa.table(first)\n",
    )
    [made, t] = cli("run", "-o", "json").json["tables"]
    assert (made["status"], t["status"]) == ("materialized", "failed")
    assert "changed while it was read" in t["error"]["message"]
    numbers.edit("transforms.py", "    os.utime", "    # os.utime")
    assert cli("run").code == 0
    manifest = json.loads(numbers.read("data/.lakehouse/manifests/t.json"))
    assert manifest["inputs"]["made"][1] == ROWS


@pytest.mark.parametrize("options", ["--executor=threads", "--together"])
def test_memory_that_is_written_again_is_stored_as_it_was(folder: ProjectFolder, cli: Cli, options: str) -> None:
    made = "columns: {a: int64}, key: a"
    folder.declare(
        f"""
        csv: {{{made}}}
        pq: {{storage: pq, function: reader, {made}}}
        db: {{storage: db, function: polars, {made}}}
        one: {{function: several, output: one, {made}}}
        two: {{function: several, output: two, columns: {{a: int64}}}}
        """,
        """
        from typing import Iterator
        import numpy as np, pandas as pd, polars as pl, pyarrow as pa

        def frames():
            df = pd.DataFrame({"a": [0]})
            for i in range(4):
                df.loc[0, "a"] = i
                yield pa.RecordBatch.from_pandas(df, preserve_index=False)

        def csv() -> Iterator[pa.RecordBatch]:
            yield from frames()

        def reader() -> pa.RecordBatchReader:
            return pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), frames())

        def polars() -> Iterator[pa.RecordBatch]:
            memory = np.zeros(1, dtype=np.int64)
            for i in range(4):
                memory[:] = i
                yield pa.table({"a": memory}).to_batches()[0]

        def several():
            df = pd.DataFrame({"a": [0]})
            memory = np.zeros(1, dtype=np.int64)
            for i in range(4):
                df.loc[0, "a"] = memory[0] = i
                yield "one", df
                yield "two", pl.DataFrame({"a": memory}) if i % 2 else pa.record_batch({"a": pa.array(memory)})
            df.loc[0, "a"] = memory[0] = 9
        """,
        top="storages: {pq: {root: pq, format: parquet}, db: {root: w.duckdb, type: duckdb}}\n",
    )
    assert cli("run", options).code == 0
    for name in ("csv", "pq", "db", "one", "two"):
        assert [row["a"] for row in cli("show", name, "-o", "json").json["rows"]] == [0, 1, 2, 3], name


def test_timeout_of_a_generator(folder: ProjectFolder) -> None:
    folder.declare(
        "t: {timeout: 1}",
        f"{HEAD}import time\n\ndef t() -> Iterator[pa.RecordBatch]:\n    yield from batches([1])\n    time.sleep(60)\n",
    )
    code, tables = run_of()
    assert (code, tables["t"]["error"]["message"]) == (1, "`t` took longer than its timeout of 1 s")


def test_same_input_twice_is_read_twice(numbers: ProjectFolder) -> None:
    add(
        numbers,
        "  t: {inputs: {a: numbers, b: numbers}}\n",
        "def t(a: pa.RecordBatchReader, b: pa.RecordBatchReader) -> pd.DataFrame:\n"
        "    return pd.DataFrame({'rows': [sum(x.num_rows for x in a), sum(x.num_rows for x in b)]})\n",
    )
    assert run_of()[0] == 0
    assert numbers.read("data/t.csv") == f"rows\n{ROWS}\n{ROWS}\n"


def test_databases_and_objects_take_batches_too(folder: ProjectFolder) -> None:
    folder.write(
        "lakehouse.yaml",
        "name: x\nmodule: transforms\n"
        "storages:\n  db: {type: sqlite, root: x.sqlite}\n  delta: {type: delta, root: delta}\n"
        "tables:\n  a: {storage: db}\n  b: {storage: delta}\n  c: {}\n",
    )
    code = "".join(
        f"def {name}({taken}) -> Iterator[pa.RecordBatch]:\n    yield from {given}\n\n"
        for name, taken, given in (
            ("a", "", "batches([1, 2], [3])"),
            ("b", "a: pa.RecordBatchReader", "a"),
            ("c", "b: Iterator[pa.RecordBatch]", "b"),
        )
    )
    folder.write("transforms.py", HEAD + code)
    exit_code, tables = run_of()
    assert exit_code == 0, tables
    assert folder.read("data/c.csv") == "a\n1\n2\n3\n"


def test_columns_of_other_names_are_read_in_pieces(numbers: ProjectFolder) -> None:
    numbers.write("pq/others.parquet", "")
    table = pa.table({"Nr.": range(100), "n": [i if i % 30 else 1000 for i in range(100)]})
    pq.write_table(table, numbers.path / "pq/others.parquet", row_group_size=20)
    add(
        numbers,
        '  others: {kind: source, storage: pq, columns: {id: {type: int64, from: "Nr."}, n: int64}}\n'
        "  small: {kind: source, storage: pq, path: others, columns: {size: {type: int8, from: n}}}\n"
        "  t: {}\n  u: {}\n",
        "def t(others: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:\n"
        "    for number, batch in enumerate(others):\n"
        "        yield batch.append_column('batch', pa.array([number] * len(batch)))\n\n"
        "def u(small: pa.RecordBatchReader) -> pa.RecordBatchReader:\n    return small\n",
    )
    code, tables = run_of()
    assert (code, tables["t"]["rows"]) == (1, 100)
    assert numbers.read("data/t.csv").splitlines()[-1] == "99,99,4"
    [violation] = tables["small"]["error"]["violations"]
    assert (violation["column"], [each["row"] for each in violation["examples"]]) == ("size", [1, 31, 61, 91])


@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_inputs_and_result_are_in_one_database_file(folder: ProjectFolder, kind: str, executor: str) -> None:
    folder.write(
        "lakehouse.yaml",
        "name: x\nmodule: transforms\n"
        f"storages:\n  default: {{type: {kind}, root: lake.db, options: {{lock_timeout: 5}}}}\n"
        "tables:\n  a: {columns: {a: int64}, key: a}\n  b: {columns: {a: int64}, key: a}\n"
        "  c: {columns: {a: int64}, key: a}\n  d: {columns: {a: int64}, key: a}\n",
    )
    folder.write(
        "transforms.py",
        HEAD
        + "import polars as pl\n\n"
        + "def a() -> Iterator[pa.RecordBatch]:\n"
        + "    yield from batches(*(range(i, i + 20_000) for i in range(0, 160_000, 20_000)))\n\n"
        + "def b(a: pa.RecordBatchReader) -> pa.RecordBatchReader:\n    return a\n\n"
        + "def c(a: pl.LazyFrame) -> pl.LazyFrame:\n    return a.filter(pl.col.a % 2 == 0)\n\n"
        + "def d(b: Iterator[pa.RecordBatch], c: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:\n"
        + "    next(b)\n    yield from c\n",
    )
    code, tables = run_of("--executor", executor)
    assert code == 0, tables
    rows_of = {name: table["rows"] for name, table in tables.items()}
    assert rows_of == {"a": 160_000, "b": 160_000, "c": 80_000, "d": 80_000}
    code, tables = run_of("--executor", executor)
    assert {table["status"] for table in tables.values()} == {"unchanged"}


LAZY = """\
import duckdb
import ibis
import polars as pl

def even(numbers: pl.LazyFrame) -> pl.LazyFrame:
    return numbers.filter(pl.col("id") % 2 == 0)

def quarter(even: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return even.filter("id % 4 = 0")

def joined(quarter: pl.LazyFrame, even: pl.LazyFrame, numbers: pl.LazyFrame):
    return quarter.join(even.select("id"), on="id").join(numbers.select("id"), on="id").select("id", pl.col("half") * 2)

def digits(joined: duckdb.DuckDBPyRelation, numbers: duckdb.DuckDBPyRelation):
    both = joined.set_alias("j").join(numbers.set_alias("n"), "j.id = n.id")
    return both.aggregate("j.id % 10 as digit, count(*) as rows, sum(j.id) as total", "j.id % 10")

def tops(joined: ibis.Table, digits: ibis.Table, numbers: duckdb.DuckDBPyRelation) -> ibis.Table:
    highest = joined.group_by(digit=joined.id % 10).agg(top=joined.id.max(), half=joined.half.max())
    return highest.join(digits, "digit").mutate(of=numbers.count("*").fetchall()[0][0])

def last(tops: pd.DataFrame, digits: pl.LazyFrame):
    return tops.tail(1)
"""


@pytest.mark.parametrize("executor", EXECUTORS)
def test_lazy_frames_and_relations_go_from_one_to_the_other(numbers: ProjectFolder, executor: str, cli: Cli) -> None:
    tables = "  even: {storage: pq, key: id}\n  quarter: {storage: lines, key: id}\n  joined: {key: id}\n"
    add(numbers, f"{tables}  digits: {{key: digit}}\n  tops: {{storage: pq, key: digit}}\n  last: {{}}\n", LAZY)
    code, tables_of = run_of("--executor", executor)
    assert code == 0, tables_of
    counts = [tables_of[name]["rows"] for name in ("even", "quarter", "joined", "digits", "tops", "last")]
    assert counts == [ROWS // 2, ROWS // 4, ROWS // 4, 5, 5, 1]
    last = ROWS - 12
    assert numbers.read("data/last.csv").splitlines()[1].startswith(f"8,{last},{float(last)},{ROWS // 20},")
    per = ROWS // 20
    expected = [sum(i for i in range(0, ROWS, 4) if i % 10 == digit) for digit in range(0, 10, 2)]
    lines = "".join(f"{digit},{per},{total}\n" for digit, total in zip(range(0, 10, 2), expected, strict=True))
    assert numbers.read("data/digits.csv") == f"digit,rows,total\n{lines}"
    files = [path.read_bytes() for path in sorted(numbers.path.glob("*/[a-z]*.*"))]
    assert run_of("--executor", executor, "--force")[0] == 0
    assert [path.read_bytes() for path in sorted(numbers.path.glob("*/[a-z]*.*"))] == files
    assert cli("diff").code == 0


@pytest.mark.parametrize("kind", ["pl.LazyFrame", "duckdb.DuckDBPyRelation", "ibis.Table"])
@pytest.mark.parametrize(("line", "message"), BAD_SOURCE, ids=["value", "key"])
def test_source_that_a_lazy_frame_reads_is_judged(numbers: ProjectFolder, kind: str, line: str, message: str) -> None:
    numbers.edit("lakehouse.yaml", "text: string}}", "text: string}, key: id}")
    body = f"import duckdb, ibis\nimport polars as pl\n\ndef t(numbers: {kind}):\n    return numbers.limit(3)\n"
    add(numbers, "  t: {}\n", body)
    with (numbers.path / "data/numbers.csv").open("a") as file:
        file.write(line)
    code, tables = run_of()
    assert (code, tables["t"]["status"]) == (1, "skipped"), tables
    assert tables["numbers"]["error"]["message"].startswith(message)


def test_relations_of_other_connections_are_refused(numbers: ProjectFolder, cli: Cli) -> None:
    """Of a connection of one's own, and that of another table, which is closed by then."""
    code = (
        "import duckdb\n\nKEPT = []\n\ndef kept(numbers: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:\n"
        "    KEPT.append(numbers)\n    return numbers.limit(1)\n\n"
        "def late(kept) -> duckdb.DuckDBPyRelation:\n    return KEPT[0].limit(2)\n\n"
        "def joined(numbers: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:\n"
        "    return numbers.join(duckdb.connect().sql('select 1::bigint as id'), 'id')\n"
    )
    add(numbers, "  kept: {order_by: id}\n  late: {}\n  joined: {}\n", code)
    tables = {table["name"]: table for table in cli("run", "-o", "json").json["tables"]}
    assert tables["kept"]["rows"] == 1
    for name, line in (("late", "KEPT[0].limit"), ("joined", "numbers.join")):
        error = tables[name]["error"]
        assert error["hint"].startswith("use relations of one open connection: "), error
        assert line in numbers.read("transforms.py").splitlines()[error["location"]["line"] - 1]


def test_rows_out_of_order_behind_many_in_order_are_refused(
    folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_order, "_HELD", 1 << 20)
    monkeypatch.setattr(external_sort, "_IN_MEMORY", 1 << 22)
    folder.declare("t: {key: a}")
    code = "import polars as pl\n\ndef t():\n    n = 1_200_000\n"
    code += "    return pl.concat([pl.LazyFrame({'a': pl.int_range(1, n, eager=True)}), pl.LazyFrame({'a': [0]})])\n"
    folder.write("transforms.py", HEAD + code)
    exit_code, tables = run_of()
    assert exit_code == 1
    assert tables["t"]["error"]["message"] == (
        "result of `t`: its first rows come in the order of the key, and later ones do not"
    )
    assert tables["t"]["error"]["hint"] == "set `order_by: [a]`, which sorts them all, or sort them in the transform"
    folder.declare("t: {key: a, order_by: [a]}")
    assert run_of()[0] == 0
    assert (folder.path / "data/t.csv").read_text()[:6] == "a\n0\n1\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return duckdb.sql('select 1 as a')", None),
        ("return duckdb.connect().sql('select 1 as a')", None),
        (
            "con = duckdb.connect()\n    r = con.sql('select 1 as a')\n    con.close()\n    return r",
            "DuckDB cannot compute",
        ),
        ("return duckdb.sql('select 1/0 as a, error(\\'no\\') as b')", "DuckDB cannot compute the relation: "),
        ("return pl.LazyFrame({'a': ['x']}).select(pl.col('a').cast(pl.Int64))", "`t` raised InvalidOperation"),
        ("return pl.LazyFrame({'a': []}, schema={'a': pl.Int64})", None),
        ("return pl.LazyFrame({'a': [1]}).select('b')", "`t` raised ColumnNotFound"),
    ],
)
def test_what_is_computed_late(folder: ProjectFolder, body: str, message: str | None) -> None:
    folder.declare("t: {}", f"{HEAD}import duckdb\nimport polars as pl\n\ndef t():\n    {body}\n")
    code, tables = run_of()
    assert code == (0 if message is None else 1), tables["t"]["error"]
    assert message is None or message in tables["t"]["error"]["message"]


AGGREGATES = """\
import duckdb, ibis
import polars as pl

def lazy(numbers: pl.LazyFrame) -> pl.LazyFrame:
    groups = numbers.group_by(pl.col("id") % 1_000)
    return groups.agg(pl.col("half").max(), total=pl.col("id").sum(), texts=pl.col("text").min())

def relation(numbers: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return numbers.aggregate("id % 1000 as id, max(half) as half, sum(id) as total, min(text) as texts", "id % 1000")

def of_ibis(numbers: ibis.Table) -> ibis.Table:
    groups = numbers.group_by(id=numbers.id % 1_000)
    return groups.agg(half=numbers.half.max(), total=numbers.id.sum(), texts=numbers.text.min())
"""


def test_aggregates_on_four_threads_are_the_same_each_time(
    numbers: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = "columns: {id: int64, half: float64, total: int64, texts: string}"
    tables = "".join(f"  {name}: {{{columns}, key: id}}\n" for name in ("lazy", "relation", "of_ibis"))
    add(numbers, tables, AGGREGATES)
    monkeypatch.setattr(connection, "default_workers", lambda: 4)
    monkeypatch.setenv("POLARS_MAX_THREADS", "4")
    seen = set()
    for _ in range(5):
        assert cli("run", "--executor", "serial", "--force").code == 0
        seen |= {(numbers.path / f"data/{name}.csv").read_bytes() for name in ("lazy", "relation", "of_ibis")}
    assert len(seen) == 1


def test_cores_are_shared_by_what_is_computed_at_once(
    numbers: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One table, or a chain of them, has all of them, however many workers there are."""
    query = "select current_setting('threads') as cores"
    body = f'(of: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:\n    return of.query("of", "{query}")\n'
    code = "import duckdb\n\n" + "\n".join(f"def {name}{body}" for name in ("a", "b", "c"))
    tables = "".join(
        f"  {name}: {{inputs: {{of: {of}}}, order_by: cores, columns: {{cores: int64}}}}\n"
        for name, of in (("a", "numbers"), ("b", "a"), ("c", "numbers"))
    )
    add(numbers, tables, code)
    monkeypatch.setattr(connection, "default_workers", lambda: 4)
    for selection, cores in ((["a", "b"], 4), (["a", "c"], 2), (["a", "b", "c"], 2), (["c"], 4)):
        assert cli("run", "--force", "--workers", "4", *selection).code == 0
        for name in selection:
            assert numbers.read(f"data/{name}.csv") == f"cores\n{cores}\n", (selection, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "rows"),
    [
        ("empty = pa.RecordBatch.from_pydict({'a': [], 'b': []}, schema=s)\n    yield from [empty] * 20_000", 0),
        ("yield pa.RecordBatch.from_pydict({'a': pa.array(range(1_000_000)), 'b': pa.nulls(1_000_000)})", 1_000_000),
    ],
    ids=["empty", "large"],
)
def test_many_batches_or_one_of_many_rows(
    folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch, code: str, rows: int
) -> None:
    """Of more than is held, sorted, compared or written at once."""
    limits = ((row_order, "_HELD"), (external_sort, "_IN_MEMORY"), (keys, "_IN_MEMORY"), (parquet, "_CELLS"))
    for module, name in limits:
        monkeypatch.setattr(module, name, 1 << 20)
    tables = "  t: {storage: pq, columns: {a: int64, b: int64}, key: a}\n"
    folder.write(
        "lakehouse.yaml",
        f"name: x\nmodule: transforms\nstorages: {{pq: {{root: pq, format: parquet}}}}\ntables:\n{tables}",
    )
    head = f"{HEAD}s = pa.schema([('a', pa.int64()), ('b', pa.int64())])\n\n"
    folder.write("transforms.py", f"{head}def t() -> Iterator[pa.RecordBatch]:\n    {code}\n")
    exit_code, tables_of = run_of()
    assert (exit_code, tables_of["t"]["rows"]) == (0, rows), tables_of
    assert pq.read_metadata(folder.path / "pq/t.parquet").num_rows == rows


LATE = """\
import duckdb

def big(numbers: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    many = "170141183460469231731687303715884105727::hugeint"
    return numbers.project(f"id, case when id % 50000 >= 49998 then {many} else id::hugeint end as s")

def after(big: pd.DataFrame):
    return big
"""


@pytest.mark.parametrize("consumed", [True, False])
@pytest.mark.parametrize("timeout", ["", ", timeout: 60"])
def test_values_that_arrow_lacks_are_reported_of_all(numbers: ProjectFolder, consumed: bool, timeout: str) -> None:
    tables = f"  big: {{columns: {{id: int64, s: int64}}, key: id{timeout}}}\n"
    add(numbers, tables + ("  after: {}\n" if consumed else ""), LATE)
    code, found = run_of()
    assert code == 1
    error = found["big"]["error"]
    count = 2 * (ROWS // 50_000)
    assert f"`s` is declared int64 and holds {count} values that are too large" in json.dumps(error)
    assert len(error["violations"]) == 1


@pytest.mark.parametrize("order", ["", "    key: id\n", "    order_by: [id]\n"])
def test_large_results_of_queries_come_piece_by_piece(
    numbers: ProjectFolder, order: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "select id, HALF as half, text from numbers" + ("" if order else " order by id")
    columns = "{id: int64, half: {type: float64, nullable: false}, text: string}"
    declared = numbers.read("lakehouse.yaml") + f"  t:\n    columns: {columns}\n{order}    sql: {query}\n"
    numbers.write("lakehouse.yaml", declared.replace("HALF", "half"))
    assert cli("run").code == 0
    whole = numbers.read("data/t.csv")
    monkeypatch.setattr(results, "_AT_ONCE", 1_000)
    assert cli("run", "--force").code == 0
    assert numbers.read("data/t.csv") == whole == numbers.read("data/numbers.csv")
    numbers.write("lakehouse.yaml", declared.replace("HALF", f"nullif(half, {(ROWS - 1) / 2})"))
    done = cli("run")
    assert done.code == 1
    assert "column `half` has 1 null" in done.err
    assert numbers.read("data/t.csv") == whole


def test_frame_that_stops_early_may_still_be_reading(folder: ProjectFolder) -> None:
    declared = "  src: {kind: source, storage: lines, columns: {id: int64, text: string}}\n"
    names = [f"t{at}" for at in range(8)]
    folder.write(
        "lakehouse.yaml",
        "name: x\nmodule: transforms\nstorages: {default: {root: data}, lines: {root: data, format: jsonl}}\n"
        f"tables:\n{declared}" + "".join(f"  {name}: {{columns: {{id: int64, text: string}}}}\n" for name in names),
    )
    folder.write("data/src.jsonl", "".join(f'{{"id": {row}, "text": "text {row}"}}\n' for row in range(300_000)))
    code = "".join(f"def {name}(src: pl.LazyFrame) -> pl.LazyFrame:\n    return src.head(5)\n\n\n" for name in names)
    folder.write("transforms.py", f"import polars as pl\n\n\n{code}")
    ended, tables = run_of()
    assert ended == 0, [table["error"] for table in tables.values()]
    assert {tables[name]["rows"] for name in names} == {5}
