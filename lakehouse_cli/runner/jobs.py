"""What the loop hands out and gets back: values that can be sent to another process.

Nothing here loads Arrow or the user's code, so that a process that only leads others starts them at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError, TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.manifest import InputRecord, Manifest, Recipe
from lakehouse_cli.model.stored_version import StoredVersion
from lakehouse_cli.plan.uses import Used

if TYPE_CHECKING:
    import pyarrow as pa


class Expected(Struct, frozen=True):
    """What a plan, or an earlier table of the run, left to be found.

    Attributes:
        inputs: The inputs' content, by name; what is read may be another.
        stored: What the table's data replace, and nothing else; None where it is not known.
    """

    inputs: Mapping[str, InputRecord]
    stored: StoredVersion | None = None


class Job(Struct, frozen=True):
    """One table to materialize; can be sent to another process, which has the storages and the code at hand.

    Holds nothing that grows with the project, and no password.

    Attributes:
        table: The table.
        inputs: Which table goes into which parameter.
        tables: The inputs' declarations, by name.
        project: Its name, for the manifest.
        run_id: For the manifest.
        recipe: For the manifest.
        expected: What is stored of the inputs and of the table, as planned or as stored in this run.
        forced: Whether the user asked for it though it may be up to date, or another's.
        publish: Whether the result is stored; else it is only given back.
        keep: Whether the result is wanted in memory.
        attempt: Which one this is, from 1.
        keeps_time: Whether the job itself sees to its timeout; else whoever submits it does.
        used: What its transform uses beside its inputs, as it was planned; None where nothing is declared.
    """

    table: Table
    inputs: tuple[Input, ...]
    tables: Mapping[str, Table]
    project: str
    run_id: str
    recipe: Recipe | None
    expected: Expected
    forced: bool = False
    publish: bool = True
    keep: bool = False
    attempt: int = 1
    keeps_time: bool = True
    used: Used | None = None


class Outcome(Struct, frozen=True):
    """What came of one table.

    Attributes:
        manifest: What was stored; None where nothing was to be.
        data: Exactly what the storage would give back; None where nobody wants it.
        attempts: How many attempts were begun, this one being the last.
        dropped: Columns the transform returned and the contract does not name, where these are dropped.
    """

    manifest: Manifest | None
    data: pa.Table | None
    attempts: int
    dropped: tuple[str, ...]


class AttemptError(Exception):
    """An attempt failed; `given_up` tells why no other follows though there might have been one."""

    def __init__(self, error: LakehouseError, attempt: int, given_up: str | None = None) -> None:
        super().__init__(error, attempt, given_up)
        self.error = error
        self.attempt = attempt
        self.given_up = given_up


class InputError(Exception):
    """An input could not be had; `name` is the table that is to blame."""

    def __init__(self, name: str, error: LakehouseError) -> None:
        super().__init__(name, error)
        self.name = name
        self.error = error


def over_time(table: Table) -> TransformError:
    """The error of a transform that took longer than its timeout."""
    return TransformError(
        f"`{table.transform.name}` took longer than its timeout of {table.timeout:g} s",
        hint="make it faster, or raise `timeout:`",
        location=table.where("timeout"),
    )
