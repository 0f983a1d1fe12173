"""Partitions of a table in a plan: what is stored of them, and what would be done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model.check import CheckResult
from lakehouse_cli.model.key_bounds import KeyBounds
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.partition import Partition, PartitionColumns
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.partitioning import Chosen
from lakehouse_cli.text.causes import by_cause, without_values
from lakehouse_cli.text.counts import plural

# Partitions that are named one by one.
_NAMED = 2
# Messages of one kind about partitions of a table that are said.
_SAID = 2
#: What would be done to a table, or to a partition of it.
Action = Literal["run", "check", "skip", "read", "wait"]


class Content(Protocol):
    """What an index says of an input of a partition."""

    @property
    def content_hash(self) -> str:
        """Of its data."""


class Stored(Protocol):
    """What an index says of a partition."""

    @property
    def content_hash(self) -> str:
        """Of its data."""

    @property
    def recipe(self) -> str:
        """A digest of what it was made by."""

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Name and type of each of its columns."""

    @property
    def input_names(self) -> tuple[tuple[str, str], ...]:
        """The name and the reading of each input: the same tuple for many partitions."""

    @property
    def input_contents(self) -> Sequence[Content]:
        """What it was made from, in the order of `input_names`."""

    @property
    def input_hashes(self) -> Mapping[str, tuple[str, str]]:
        """The content hash and the reading of what it was made from."""

    @property
    def keys(self) -> Mapping[str, KeyBounds]:
        """What it keeps of its keys."""

    @property
    def run_id(self) -> str:
        """The run that stored it."""


class StoredPartitions(Struct, frozen=True):
    """What is stored of a table by partition, looked at once.

    Attributes:
        contents: What is there now, whether it is described or not.
        records: What its index says of each; none for a source.
        manifest: Reads the whole manifest of one.
        uri: Where one is.
        reading: How each is read, as of `reading_of`.
        trouble: Why it cannot be looked at.
        obstruction: Finds what stands where one that is not described would be stored.
        former: The dimensions by which a run stored the table, where it has no partition of its own.
        misread: Why some cannot be read as they are declared now: they were stored in another form.
    """

    contents: Mapping[Partition, InputRecord]
    records: Mapping[Partition, Stored] = {}
    manifest: Callable[[Partition], Manifest | StorageError | None] = lambda _: None
    uri: Callable[[Partition], str] = str
    reading: str = ""
    trouble: StorageError | None = None
    obstruction: Callable[[Partition], StorageError | None] = lambda _: None
    former: tuple[str, ...] = ()
    misread: Mapping[Partition, StorageError] = {}

    def why_misread(
        self, partitions: Iterable[Partition], contents: Mapping[Partition, InputRecord | None]
    ) -> StorageError | None:
        """Why the first of some partitions cannot be read, of those whose `contents` stay; None where all can be."""
        if not self.misread:
            return None
        stay = (each for each in partitions if each in self.misread and contents.get(each) is not None)
        return next((self.misread[each] for each in stay), None)

    def _left_beside(self, unit: Partition) -> Partition | None:
        """A partition with keys of one that was about to be replaced as these were judged, and is as it was."""
        record = self.records.get(unit)
        for bounds in () if record is None else record.keys.values():
            for values, content_hash in bounds.beside:
                other = Partition(unit.dimensions, values)
                left = self.records.get(other)
                if left is not None and left.content_hash == content_hash:
                    return other
        return None

    def reasons_beside(self, unit: Partition, others: Mapping[str, StoredPartitions]) -> Iterator[Reason]:
        """Why a stored partition does not go with what is stored beside it.

        Args:
            unit: Which.
            others: The other tables that one call computes, by name.
        """
        other = self._left_beside(unit)
        if other is not None:
            yield Reason("keys_changed", f"has keys of {other}, which was to be replaced and was not")
        mine = self.records.get(unit)
        for name, stored in others.items() if mine is not None else ():
            its = stored.records.get(unit)
            if mine is not None and its is not None and mine.run_id != its.run_id:
                yield Reason("computed_with", f"run {mine.run_id} stored it, and run {its.run_id} that of `{name}`")


class UnitPlan(Struct, frozen=True):
    """A partition that is not up to date, or waits.

    Attributes:
        partition: Which.
        action: ``run``, ``wait`` or ``check``; ``skip`` where only how its checks stand is to be told.
        reasons: Why.
        state: What is stored of it.
        chosen: What it gets of each input, by edge; None for an input that comes whole.
        needs: Partitions that this run makes before it, and those that it drops, by name.
        refused: Why a run leaves it as it is though it is due.
        would_fail: As of `PlannedTable`.
        drops: Whether it is removed.
        is_open: Whether its period has not ended.
        checks: How its checks stand, as far as earlier runs judged them on what is stored.
    """

    partition: Partition
    action: Action
    reasons: tuple[Reason, ...]
    state: TableState | None = None
    chosen: tuple[Chosen | None, ...] = ()
    needs: tuple[str, ...] = ()
    refused: StorageError | None = None
    would_fail: str | None = None
    drops: bool = False
    is_open: bool = False
    checks: tuple[CheckResult, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether what needs it cannot be made before it ended, or not at all."""
        return self.action in ("run", "check") or self.would_fail is not None

    @property
    def key(self) -> Mapping[str, str]:
        """Value by dimension."""
        return self.partition.key


class Judged(NamedTuple):
    """How the checks of a stored partition stand.

    Attributes:
        action: ``check`` where some are to be judged, else ``skip``.
        reasons: Why.
        checks: As of `UnitPlan`.
        would_fail: As of `UnitPlan`.
    """

    action: Action
    reasons: tuple[Reason, ...]
    checks: tuple[CheckResult, ...]
    would_fail: str | None


class Measured(NamedTuple):
    """What was measured of a partition, or of all of them.

    Attributes:
        newest: The newest value, in ISO 8601; None where there is none.
        rows: How many rows have a value.
        not_judged: How many have none.
    """

    newest: str | None
    rows: int
    not_judged: int


@dataclass(slots=True)
class Found:
    """The partitions of a table as a plan leaves them.

    Attributes:
        contents: Those that are there after the run, with their content; None where the run makes it.
        due: Those that the run makes.
        dropped: Those that the run removes.
        waiting: Those that it does not make, with why.
        outdated: Those of them that are stored, as they were made before.
        ahead: Those of them that are not, as their period has not ended.
        lacking: Those of them that are not, or no more, as an input lacks what they are made from.
        uncertain: Those that are up to date, and whose checks the run judges, or an earlier one found to fail.
        failing: Those that it would fail at, with why.
        newest: What is recorded of those that are stored by checks `freshness`, by check.
        columns: Those of stored ones by which others are judged, as of `stored_columns_of`.
    """

    contents: dict[Partition, InputRecord | None] = field(default_factory=dict)
    due: set[Partition] = field(default_factory=set)
    dropped: set[Partition] = field(default_factory=set)
    waiting: dict[Partition, str] = field(default_factory=dict)
    outdated: set[Partition] = field(default_factory=set)
    ahead: set[Partition] = field(default_factory=set)
    lacking: set[Partition] = field(default_factory=set)
    uncertain: set[Partition] = field(default_factory=set)
    failing: dict[Partition, str] = field(default_factory=dict)
    newest: Mapping[str, dict[Partition, Measured]] = field(default_factory=dict)
    columns: tuple[PartitionColumns, ...] = ()


class Narrowing(NamedTuple):
    """What the user narrows a plan to.

    Attributes:
        wanted: Whether a partition of a table is asked for; None for all.
        limit: How many partitions of a table are made at most; None for any number.
        newest_first: Whether the last ones come first.
    """

    wanted: Callable[[str, Partition], bool] | None = None
    limit: int | None = None
    newest_first: bool = False


def summed_up(units: Sequence[UnitPlan]) -> tuple[Reason, ...]:
    """The reasons of a table: those of its partitions, each with the partitions that it holds of.

    That an input runs is no news of a partition that runs for other reasons too. Of one code the first few are said.
    """
    by_code: dict[str, list[tuple[Partition, str]]] = {}
    for unit in units:
        own = [reason for reason in unit.reasons if reason.code != "upstream_runs"]
        for reason in own or unit.reasons:
            by_code.setdefault(reason.code, []).append((unit.partition, reason.message))
    return tuple([Reason(code, message) for code, found in by_code.items() for message in by_message(found)])


def by_message(found: Sequence[tuple[Partition, str]]) -> Iterator[str]:
    """Messages about partitions, each once, with the partitions that it holds of; the first few of many."""
    causes = by_cause(((part, message), without_values(message, part.values)) for part, message in found)
    said = causes[: len(causes) if len(causes) == _SAID + 1 else _SAID]  # the last of all takes no more room than that
    for alike in said:
        messages = [message for _, message in alike]
        more = "" if messages.count(messages[0]) == len(messages) else ", and so on"
        yield f"{named_partitions([part for part, _ in alike])}: {messages[0]}{more}"
    if rest := sorted({part for alike in causes[len(said) :] for part, _ in alike}):
        yield f"{named_partitions(rest)}: likewise, by other numbers or names (`-o json`)"


def named_partitions(partitions: Sequence[Partition]) -> str:
    """One partition or two by name, more by their number and the ends of their range."""
    if len(partitions) <= _NAMED:
        return " and ".join(map(str, partitions))
    return f"{plural(len(partitions), 'partition')} ({min(partitions)} to {max(partitions)})"
