"""Readers of inputs: one reading by whatever library, and no second."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from lakehouse_cli.transforms.input_reader import InputReading
from tests.cases import each_case

BATCH = pa.RecordBatch.from_pydict({"a": [1, 2]})


def _of_duckdb(reader: Any) -> int:
    with duckdb.connect() as connection:
        return len(connection.from_arrow(reader).fetchall())


READINGS: dict[str, Callable[[Any], int]] = {
    "loop": lambda reader: sum(batch.num_rows for batch in reader),
    "read_all": lambda reader: reader.read_all().num_rows,
    "table": lambda reader: pa.table(reader).num_rows,
    "cast": lambda reader: reader.cast(pa.schema({"a": pa.int32()})).read_all().num_rows,
    "another reader": lambda reader: pa.RecordBatchReader.from_stream(reader).read_all().num_rows,
    "scanner": lambda reader: ds.Scanner.from_batches(reader).count_rows(),
    "pandas": lambda reader: len(reader.read_pandas()),
    "polars": lambda reader: len(pl.DataFrame(reader)),
    "duckdb": _of_duckdb,
}


@each_case(
    ("first", "second"), [each for each in itertools.product(READINGS, READINGS) if "loop" in each or len({*each}) == 1]
)
def test_second_reading_fails(first: str, second: str) -> None:
    read, again = READINGS[first], READINGS[second]
    for count in (0, 1, 3):
        reading = InputReading(BATCH.schema, (batch for batch in [BATCH] * count))
        reader = reading.open()
        assert (read(reader), reading.is_read_again) == (2 * count, False)
        with pytest.raises((pa.ArrowInvalid, duckdb.Error, pl.exceptions.PolarsError), match="once"):
            again(reader)


def test_reading_in_parts_is_one_reading() -> None:
    reading = InputReading(BATCH.schema, (batch for batch in [BATCH] * 3))
    reader = reading.open()
    first = next(reader)
    assert (first, [*reader], reading.is_read_again) == (BATCH, [BATCH, BATCH], False)


def test_what_batches_raise_is_kept() -> None:
    def failing() -> Any:
        yield BATCH
        raise KeyError("gone")

    reading = InputReading(BATCH.schema, failing())
    with pytest.raises(Exception, match="gone"):
        reading.open().read_all()
    assert isinstance(reading.error, KeyError)


def test_process_ends_with_readers_that_are_left() -> None:
    code = (
        "import builtins, pyarrow as pa\nfrom lakehouse_cli.transforms.input_reader import InputReading\n"
        "batch = pa.RecordBatch.from_pydict({'a': [1]})\n"
        "builtins.left = [InputReading(batch.schema, (b for b in [batch] * 2)).open() for _ in range(3)]\n"
        "next(left[0]); list(left[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


_LET_GO = """
import gc, threading
from ctypes import addressof
import pyarrow as pa
from lakehouse_cli.transforms import input_reader

class Cycle: ...

def let_go():
    stream = input_reader._Stream()
    pa.RecordBatchReader.from_batches(pa.schema([]), iter([]))._export_to_c(addressof(stream))
    cycle = Cycle()
    cycle.itself, cycle.reader = cycle, pa.RecordBatchReader._import_from_c(addressof(stream))

def look():
    for _ in range(300):
        gc.set_threshold(100_000)
        for _ in range(10):
            let_go()
        gc.set_threshold(1)
        input_reader._frame_of(threading.main_thread().ident)

threads = [threading.Thread(target=look, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_look_at_frames_do_not_wait_for_each_other() -> None:
    # In a process of its own: where they do, it does not end.
    subprocess.run([sys.executable, "-c", _LET_GO], check=True, timeout=60)
