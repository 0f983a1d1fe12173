"""Transforms on `pyspark.sql.DataFrame` (optional), computed as they are stored, in the session of the run."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from queue import SimpleQueue
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark.sql
from pyspark.sql.pandas.types import from_arrow_schema

from lakehouse_cli.arrow.types import from_arrow, map_leaves, without_rows
from lakehouse_cli.engines.spark_session import is_local, send_functions, small_parts, spark_session
from lakehouse_cli.errors import LakehouseError, TransformError
from lakehouse_cli.formats.native import NativeFile, reads_alike
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import SPARK
from lakehouse_cli.model.spark_types import not_in_spark, refusal
from lakehouse_cli.runs.spilled_tables import SpilledTables, joined
from lakehouse_cli.runs.temporary_files import spill_folder, spilling
from lakehouse_cli.transforms.frames import FrameType

# Bytes of an input that goes to Java's Spark as Arrow, and of a result that waits in memory; of a row group of the file
# of a larger input.
_IN_MEMORY, _AT_ONCE = 64 << 20, 16 << 20
# Among the nodes of a plan; not of those that send a small table to all.
_SHUFFLE = re.compile(r"\bExchange ")
_VARIANT = re.compile(r'ype":"variant"')
# Of other names Spark may make patterns, escapes and partitions, and files of `_` and `.` it leaves out.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./ -]*/[A-Za-z0-9][A-Za-z0-9_. -]*")
# Files with one of these have days of the calendar that Spark 2 used, which Spark makes others of.
_OLD_CALENDAR = (b"org.apache.spark.legacyDateTime", b"org.apache.spark.legacyINT96")


class SparkFrame(FrameType):
    """Frames of Spark, in Java's or behind a server of Spark Connect."""

    name = SPARK
    streams = True
    orders_rows = False
    reads_files = frozenset(("parquet",))

    def __init__(self) -> None:
        self._current = threading.local()

    @contextmanager
    def scope(self, workers: int = 1) -> Iterator[None]:
        """There is a session, also for a transform that is given no frame; files of inputs go at the end."""
        del workers
        before = getattr(self._current, "files", None)
        spark_session()
        send_functions()
        with ExitStack() as files:
            self._current.files = files
            try:
                yield
            finally:
                self._current.files = before

    def from_arrow(self, table: pa.Table) -> Any:
        """The table, sent to Spark as Arrow; instants are instants, and local timestamps local ones."""
        _refuse(table.schema)
        held = table.cast(_schema_in_spark(table.schema))
        # Java's Spark takes the first batch without rows for the end of the table.
        held = pa.Table.from_batches([each for each in held.to_batches() if each.num_rows], held.schema)
        return spark_session().createDataFrame(held, schema=_struct(held.schema))

    def from_pieces(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> Any:
        """As `from_arrow`; Java's Spark on this machine reads a large table from a temporary file."""
        _refuse(schema)
        held = _schema_in_spark(schema)
        waiting: list[pa.Table] = []
        rest = joined(open_pieces(), _AT_ONCE)
        for piece in rest:
            waiting.append(piece)
            if sum(each.nbytes for each in waiting) > _IN_MEMORY and (path := self._file(held)) is not None:
                with spilling("the rows of an input"), pq.ParquetWriter(path, held, write_statistics=False) as writer:
                    for each in chain(waiting, rest):
                        writer.write_table(each.cast(held))
                return self._scan(path, held)
        return self.from_arrow(pa.concat_tables([without_rows(schema), *waiting]))

    def _file(self, schema: pa.Schema) -> str | None:
        """The path of a new file that goes with the call; None where Spark would not find in it what is written."""
        files = getattr(self._current, "files", None)
        if files is None or not is_local() or not all(map(reads_alike, schema.types)):
            return None
        path = f"{files.enter_context(spill_folder())}/input.parquet"
        return path if _PLAIN_PATH.fullmatch(path) is not None else None

    def _scan(self, path: str, schema: pa.Schema) -> Any:
        reader = spark_session().read.schema(_struct(schema)).option("datetimeRebaseMode", "CORRECTED")
        return reader.parquet(f"file://{path}")

    def from_file(self, file: NativeFile) -> Any:
        """A scan of a file in a local folder; None where Spark is elsewhere, or might see others than Arrow does."""
        kinds = [from_arrow(field.type) for field in file.schema]
        if not is_local() or any(kind is None or not_in_spark(kind) is not None for kind in kinds):
            return None
        if _PLAIN_PATH.fullmatch(file.path) is None or _is_of_old_calendar(file.path):
            return None
        return self._scan(file.path, file.schema)

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """The frame, computed."""
        return pa.concat_tables(self.to_pieces(frame, columns))

    def to_pieces(self, frame: Any, columns: Sequence[Column] | None) -> Iterator[pa.Table]:
        """The record batches of its partitions, in order."""
        del columns
        for field in frame.schema.fields:
            if _VARIANT.search(field.json()) is not None:
                message = f"column `{field.name}` is VARIANT, which no column type holds"
                raise TransformError(message, hint="make a text of it: `F.to_json(…)`")
        batches = _of_java(frame) if hasattr(frame, "_jdf") else _of_connect(frame)
        first = next(batches, None)
        if first is None:
            yield frame.limit(0).toArrow()
            return
        yield first
        yield from batches

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is pyspark.sql.DataFrame, of whichever of its two kinds."""
        del returned
        return issubclass(annotation, pyspark.sql.DataFrame)


def _refuse(schema: pa.Schema) -> None:
    """Refuse types that Spark does not hold.

    Raises:
        TransformError: A column has one.
    """
    for field in schema:
        kind = from_arrow(field.type)
        refused = str(field.type) if kind is None else not_in_spark(kind)
        if refused is not None:
            message, hint = refusal(field.name, refused)
            raise TransformError(message, hint=hint)


def _schema_in_spark(schema: pa.Schema) -> pa.Schema:
    """The types in which Spark takes columns, all of whose values they have."""
    return pa.schema([field.with_type(map_leaves(field.type, _in_spark)) for field in schema])


def _in_spark(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return map_leaves(kind.value_type, _in_spark)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    return pa.duration("us") if pa.types.is_duration(kind) else kind


def _struct(schema: pa.Schema) -> Any:
    """Spark's types; timestamps without a zone are without one there."""
    return from_arrow_schema(schema, prefer_timestamp_ntz=True)


def _is_of_old_calendar(path: str) -> bool:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        metadata = file.metadata.metadata or {}
    version = metadata.get(b"org.apache.spark.version", b"3")
    return any(key in metadata for key in _OLD_CALENDAR) or version.startswith((b"1.", b"2."))


def _of_connect(frame: Any) -> Iterator[pa.Table]:
    """The batches as the server sends them."""
    client = frame.sparkSession.client
    for found in client.to_table_as_iterator(frame._plan.to_proto(client), frame._plan.observations):
        if isinstance(found, pa.Table) and found.num_rows:
            yield found


def _of_java(frame: Any) -> Iterator[pa.Table]:
    """The batches of its partitions in order, those of each as soon as the partitions before it are there.

    What `toArrow` does, which would hold all of them. They are received by a thread: Java, which sends each partition
    when it is ready, begins nothing else until it was taken.
    """
    from pyspark.errors.exceptions.captured import unwrap_spark_exception
    from pyspark.sql.functions import spark_partition_id
    from pyspark.sql.pandas.serializers import ArrowCollectSerializer
    from pyspark.util import _load_from_socket

    numbered = frame.select("*", spark_partition_id())._jdf
    # Of rows that are in the plan itself, Spark computes the number as it plans, and has 0 for all.
    is_numbered = numbered.queryExecution().optimizedPlan().nodeName() != "LocalRelation"
    plan = numbered.queryExecution().executedPlan()
    if _SHUFFLE.search(plan.toString()) is None:
        # Its partitions are those of the files: one is stored while the next ones are computed. A shuffle makes others,
        # and many parts before it take time and help nothing.
        with small_parts():
            plan.execute()  # only looks which parts there are
    port, secret, server = (numbered if is_numbered else frame._jdf).collectAsArrowToPython()
    tables = SpilledTables("the rows of the result", _IN_MEMORY)
    ready = SimpleQueue[int | None]()
    failures: list[BaseException] = []

    def receive() -> None:
        try:
            with _load_from_socket((port, secret), ArrowCollectSerializer()) as found:
                for number in _in_order(found, tables, is_numbered=is_numbered):
                    ready.put(number)
        except BaseException as failure:  # noqa: BLE001  # raised below
            failures.append(failure)
        finally:
            ready.put(None)

    thread = threading.Thread(target=receive, name="lakehouse spark", daemon=True)
    thread.start()
    try:
        while (number := ready.get()) is not None:
            yield tables.take(number)
    finally:
        thread.join()
        if not (failures and isinstance(failures[0], LakehouseError)):
            with unwrap_spark_exception():
                server.getResult()  # raises what Java did
    if failures:
        raise failures[0]


def _in_order(found: Iterator[Any], tables: SpilledTables, *, is_numbered: bool) -> Iterator[int]:
    """Keep batches by the order in which they come; return these numbers in the order of partitions, once it is known.

    Args:
        found: Batches, those of a partition after each other, none of one without rows; then all numbers in order.
        tables: Takes the batches.
        is_numbered: Whether the last column is the number of the partition, which is left out then.
    """
    waiting: defaultdict[int, list[int]] = defaultdict(list)
    returned: list[int] = []
    current, following = -1, 0  # the partition that comes, and the one whose turn it is
    for number, batch in enumerate(found):
        if not isinstance(batch, pa.RecordBatch):  # the end
            if batch[: len(returned)] != returned:
                raise RuntimeError("Spark gave partitions other numbers than it computed them by")
            yield from batch[len(returned) :]
            return
        table = pa.Table.from_batches([batch])
        if not is_numbered:
            tables.put(number, table)
            continue
        last = table.num_columns - 1
        partition = batch.column(last)[0].as_py() if batch.num_rows else current
        tables.put(number, table.remove_column(last))
        waiting[partition].append(number)
        if partition != current == following:  # which is complete
            following += 1
        current = partition
        while following in waiting:
            returned += waiting[following]
            yield from waiting.pop(following)
            following += following != current
