"""What the user asks a plan or a run for."""

from __future__ import annotations

from msgspec import Struct


class RunRequest(Struct, frozen=True, kw_only=True):
    """One run, as it is asked for on the command line or in Python.

    Attributes:
        selection: Terms of the selection grammar; none selects every table.
        exclude: Terms of what to leave out.
        partitions: Partitions, as `--partition` takes them; none for all.
        as_of: The moment that stands for now, as `--as-of` takes it; None for now itself.
        max_partitions: How many partitions of a table are made at most; None for any number.
        newest_first: Whether the last partitions of a table come first.
        force: Whether to run what is up to date as well.
        failed: Whether only tables run that failed, were skipped or were cancelled in the last run that went for them.
        defer: Name of the environment from which inputs are read that are neither selected nor here.
        replay: Names of quarantines; their tables run, also where they are up to date.
        fail_fast: Whether nothing more is started once a table has failed.
        executor: Name of the executor; None for the project's.
        workers: How many tables at once; None for the project's number, else the executor's own choice.
        together: Whether nothing is published until all of the run has passed; the project may say so as well.
        wait: Whether to wait for another run to end, rather than raise.
    """

    selection: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    as_of: str | None = None
    max_partitions: int | None = None
    newest_first: bool = False
    force: bool = False
    failed: bool = False
    defer: str | None = None
    replay: tuple[str, ...] = ()
    fail_fast: bool = False
    executor: str | None = None
    workers: int | None = None
    together: bool = False
    wait: bool = False
