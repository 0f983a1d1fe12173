"""What a run keeps in memory: no table longer than another is to be computed from it."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.conftest import Cli, ProjectFolder

SIZE = 800_000
LENGTH = 8
PROJECT = """
name: chain
module: chain
storages: {default: {format: ipc}}
tables:
"""
HEAD = f"""
import pyarrow as pa
import pyarrow.compute as pc

def t0() -> pa.Table:
    return pa.table({{"n": pa.array(range({SIZE // 8}))}})
"""
STEP = """
def t{n}(t{before}: pa.Table) -> pa.Table:
    with open("allocated", "a") as file:
        print(pa.total_allocated_bytes(), file=file)
    return pa.table({{"n": pc.add(t{before}["n"], 1)}})
"""


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("command", ["run", "diff"])
def test_tables_of_a_chain_are_dropped_one_after_the_other(
    folder: ProjectFolder, cli: Cli, executor: str, command: str
) -> None:
    tables = "".join(f"  t{n}: {{columns: {{n: int64}}}}\n" for n in range(LENGTH))
    folder.write("lakehouse.yaml", f"{PROJECT}{tables}execution: {{executor: {executor}}}\n")
    folder.write("chain.py", HEAD + "".join(STEP.format(n=n, before=n - 1) for n in range(1, LENGTH)))
    if command == "diff":
        assert cli("run").code == 0
        (folder.path / "allocated").unlink()
        folder.edit("chain.py", "range(", "range(1, 1 + ")
    assert cli(command).code == (1 if command == "diff" else 0)
    allocated = [int(line) for line in folder.read("allocated").splitlines()]
    assert len(allocated) == LENGTH - 1
    assert max(allocated) - allocated[0] < 3 * SIZE


SHELF = """
import pathlib
from lakehouse_cli.storage import Head, KeyedStorage

THINGS = {}

class Shelf(KeyedStorage):
    def head_key(self, key):
        return Head(len(THINGS[key])) if key in THINGS else None

    def get_key(self, key):
        return THINGS.get(key)

    def put_key(self, key, data, seen):
        if not pathlib.Path("dropped").exists():
            raise OSError("the input is still in memory")
        THINGS[key] = data.read()
        return self.head_key(key)

    def delete_key(self, key):
        THINGS.pop(key, None)

    def keys(self, prefix):
        return []
"""


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
@pytest.mark.parametrize(
    ("kind", "memory"), [("pa.Table", "t0"), ("pd.DataFrame", 't0["n"].to_numpy().base')], ids=["arrow", "pandas"]
)
def test_inputs_are_dropped_before_the_result_is_stored(
    folder: ProjectFolder, cli: Cli, executor: str, kind: str, memory: str
) -> None:
    folder.write("shelf.py", SHELF)
    folder.write(
        "lakehouse.yaml",
        f"""
        name: chain
        module: chain
        storages: {{shelf: {{type: "shelf:Shelf"}}}}
        execution: {{executor: {executor}}}
        tables: {{t0: {{}}, t1: {{storage: shelf}}}}
        """,
    )
    head = f"import pathlib\nimport weakref\nimport pandas as pd\n{HEAD}"
    step = f"def t1(t0: {kind}):\n    weakref.finalize({memory}, pathlib.Path('dropped').touch)\n"
    folder.write("chain.py", f"{head}\n{step}    return pd.DataFrame({{'n': [1, 2]}})\n")
    ran = cli("run")
    assert ran.code == 0, ran.err


def test_tables_pass_in_memory(folder: ProjectFolder, cli: Cli) -> None:
    """What is stored is not read back by the run that stored it."""
    folder.write(
        "lakehouse.yaml",
        """
        name: passed
        module: passed
        tables: {numbers: {}, nuisance: {}, doubled: {}}
        execution: {executor: serial}
        """,
    )
    folder.write(
        "passed.py",
        """
        import os
        import pandas as pd

        def numbers():
            return pd.DataFrame({"n": [1, 2]})

        def nuisance():
            os.unlink("data/numbers.csv")
            return pd.DataFrame({"n": [0]})

        def doubled(numbers):
            return numbers * 2
        """,
    )
    assert cli("run").code == 0
    assert folder.read("data/doubled.csv") == "n\n2\n4\n"


def test_arrow_data_are_released_once_a_frame_is_shared(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: released
        module: released
        tables: {numbers: {columns: {n: float64}}, one: {}, two: {}}
        execution: {executor: serial}
        """,
    )
    folder.write(
        "released.py",
        f"""
        import pandas as pd
        import pyarrow as pa

        def numbers() -> pa.Table:
            return pa.table({{"n": pa.array([None, *range({SIZE // 8})], pa.float64())}})

        def one(numbers):
            return pd.DataFrame({{"allocated": [pa.total_allocated_bytes()]}})

        def two(numbers):
            return pd.DataFrame({{"allocated": [pa.total_allocated_bytes()]}})
        """,
    )
    before = pa.total_allocated_bytes()
    assert cli("run").code == 0
    for name in ("one", "two"):
        assert int(folder.read(f"data/{name}.csv").split()[1]) < before + SIZE, name


def test_failed_import_harms_no_other_table(folder: ProjectFolder, cli: Cli) -> None:
    """Which frames the tables after it take is known all the same."""
    folder.write(
        "lakehouse.yaml",
        """
        name: harm
        module: good
        tables: {numbers: {}, one: {}, bad: {function: "bad:bad"}, two: {}}
        execution: {executor: serial}
        """,
    )
    folder.write("bad.py", "raise ImportError('not today')\n\ndef bad():\n    return None\n")
    folder.write(
        "good.py",
        """
        import pandas as pd
        import pyarrow as pa

        def numbers():
            return pd.DataFrame({"n": [1.5]})

        def one(numbers):
            return numbers

        def two(numbers: pa.Table):
            return numbers
        """,
    )
    tables = cli("run", "-o", "json").json["tables"]
    assert {table["name"]: table["status"] for table in tables} == {
        "numbers": "materialized",
        "one": "materialized",
        "bad": "failed",
        "two": "materialized",
    }


KEPT = {
    "pandas": "pd.DataFrame({'id': range(4), 'price': NUMBERS}, copy=False)",
    "arrow": "pa.table({'id': range(4), 'price': NUMBERS})",
    "polars": "pl.DataFrame({'id': range(4), 'price': NUMBERS})",
}


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("frame", KEPT.values(), ids=KEPT)
def test_what_a_transform_still_holds_is_not_what_others_get(
    folder: ProjectFolder, cli: Cli, frame: str, executor: str
) -> None:
    """They get it as from storage, in whatever frame, and however its memory is changed later."""
    takes = {"a": "pa.Table", "d": "pd.DataFrame", "l": "pl.LazyFrame", "r": "pa.RecordBatchReader"}
    sums = "".join(f"  {name}: {{inputs: [prices, later]}}\n" for name in takes)
    folder.write(
        "lakehouse.yaml",
        "name: kept\nmodule: transforms\ntables:\n  prices: {inputs: [], uses: {}}\n  later: {inputs: [prices]}\n"
        f"{sums}  q: {{inputs: [prices, later], sql: 'select sum(price) as price from prices'}}\n",
    )
    functions = "".join(
        f"def {name}(prices: {kind}, later):\n    return pd.DataFrame({{'price': [total(prices)]}})\n\n\n"
        for name, kind in takes.items()
    )
    folder.path.joinpath("transforms.py").write_text(
        "import numpy as np\nimport pandas as pd\nimport polars as pl\nimport pyarrow as pa\n\n"
        "NUMBERS = np.array([10.0, 20.0, 30.0, 40.0])\n\n\n"
        "def total(prices):\n"
        "    prices = prices.read_all() if isinstance(prices, pa.RecordBatchReader) else prices\n"
        "    prices = prices.collect() if isinstance(prices, pl.LazyFrame) else prices\n"
        "    return sum(np.asarray(prices['price']).tolist())\n\n\n"
        f"def prices():\n    return {frame}\n\n\n"
        "def later(prices):\n    NUMBERS.flags.writeable = True\n    NUMBERS[:] = 0\n    return prices\n\n\n"
        f"{functions}"
    )
    assert cli("run", "--executor", executor).code == 0
    assert {name: folder.read(f"data/{name}.csv") for name in (*takes, "q")} == dict.fromkeys(
        (*takes, "q"), "price\n100.0\n"
    )


def test_many_tiny_batches_are_joined(folder: ProjectFolder, cli: Cli) -> None:
    code = """\
from collections.abc import Iterator

import pyarrow as pa


def t() -> Iterator[pa.RecordBatch]:
    before = pa.total_allocated_bytes()
    for row in range(20_000):
        yield pa.record_batch({"a": [row], "b": pa.array([str(row)]).dictionary_encode()})
    assert pa.total_allocated_bytes() - before < 3_000_000
"""
    folder.declare("t: {columns: {a: int64, b: string}, key: a}", code)
    folder.edit("lakehouse.yaml", "tables:", "storages: {default: {root: data, format: parquet}}\ntables:")
    assert cli("run", "--executor", "serial").code == 0
    found = cli("sql", "select sum(a) as a, sum(b::int) as b from t", "-o", "json").json["rows"]
    assert found == [{"a": 199_990_000, "b": 199_990_000}]
