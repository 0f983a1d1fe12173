"""The work on one table, from its inputs to its published data; what an executor is given."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse_cli.contracts import Held, hold
from lakehouse_cli.errors import ContractError, LakehouseError, TransformError
from lakehouse_cli.events import ErrorInfo
from lakehouse_cli.graph import Input
from lakehouse_cli.model import Table
from lakehouse_cli.storage.base import AssetStorage, RunStamp
from lakehouse_cli.transforms import SharedTable, Transform, apply, load_transform

if TYPE_CHECKING:
    import pyarrow as pa

Retrying = Callable[[int, float, ErrorInfo], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one table.

    Attributes:
        data: Exactly what the storage would give back.
        rows: How many were stored.
        bytes: Size of the stored data.
        attempts: How often the transform was called.
        dropped: Columns the transform returned and the contract does not name, where these are dropped.
    """

    data: pa.Table
    rows: int
    bytes: int
    attempts: int
    dropped: tuple[str, ...]


class AttemptsError(Exception):
    """All attempts failed; carries how many there were and the last one's error."""

    def __init__(self, error: LakehouseError, attempts: int) -> None:
        super().__init__(error.message)
        self.error = error
        self.attempts = attempts


def materialize(
    table: Table,
    inputs: tuple[Input, ...],
    tables: Mapping[str, SharedTable],
    storage: AssetStorage,
    folder: Path,
    run_id: str,
    retrying: Retrying,
) -> Outcome:
    """Compute one table, hold it to its contract and publish it.

    Args:
        table: What to materialize.
        inputs: Which table goes into which parameter.
        tables: The inputs' data, by table.
        storage: Where the result goes.
        folder: The project's, for its modules.
        run_id: For the manifest.
        retrying: Told of each attempt that failed and will be followed by another.

    Raises:
        AttemptsError: The transform failed, its result breaks the contract, or it could not be published.
    """
    attempt = 1
    delay = table.retry_delay
    while True:
        try:
            held = _computed(table, inputs, tables, folder)
            stamp = RunStamp(run_id, datetime.now(UTC).isoformat(timespec="milliseconds"))
            manifest = storage.publish(table, held.table, stamp)
            return Outcome(held.table, manifest.rows, manifest.bytes, attempt, held.dropped)
        except LakehouseError as error:
            if attempt > table.retries:
                raise AttemptsError(error, attempt) from error
            retrying(attempt, delay, ErrorInfo.of(error))
        time.sleep(delay)
        attempt += 1
        delay *= 2


def _computed(table: Table, inputs: tuple[Input, ...], tables: Mapping[str, SharedTable], folder: Path) -> Held:
    assert table.function is not None  # noqa: S101  # what is materialized is computed
    transform = load_transform(table.function, folder)
    named = {edge.parameter: tables[edge.table] for edge in inputs if edge.parameter and not edge.positional}
    positional = [tables[edge.table] for edge in inputs if edge.positional]
    names = {edge.parameter or edge.table: edge.table for edge in inputs}

    def compute() -> pa.Table:
        return apply(
            transform, named, positional=positional, params=table.params, columns=table.columns, table_names=names
        )

    result = compute() if table.timeout is None else _within(table.timeout, compute, table)
    try:
        return hold(result, table.columns, key=table.key, extra_columns=table.extra_columns)
    except ContractError as error:
        error.hint = error.hint or f"mend it in {_place(transform, folder)}, or change what the contract says"
        raise


def _place(transform: Transform, folder: Path) -> str:
    """The transform and where it is defined, for people."""
    code = getattr(inspect.unwrap(transform.fn), "__code__", None)
    if code is None:
        return f"`{transform.name}`"
    file = Path(code.co_filename)
    shown = file.relative_to(folder) if file.is_relative_to(folder) else file
    return f"`{transform.name}` ({shown}:{code.co_firstlineno})"


def _within(seconds: float, compute: Callable[[], pa.Table], table: Table) -> pa.Table:
    """Compute in a thread and wait for it no longer than so many seconds.

    Python cannot end a thread: one that is over its time goes on until it returns or the process ends, and what it
    returns is dropped. It has no way to publish anything.
    """
    done: list[pa.Table] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(compute())
        except BaseException as error:  # noqa: BLE001  # raised again in the waiting thread
            failed.append(error)

    thread = threading.Thread(target=work, name=f"transform {table.name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TransformError(
            f"`{table.function}` took longer than its timeout of {seconds:g} s",
            hint="make it faster, or raise `timeout:`",
            location=table.where("timeout"),
        )
    if failed:
        raise failed[0]
    return done[0]
