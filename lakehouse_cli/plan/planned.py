"""A plan: what a run would do to each table, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field, to_builtins

from lakehouse_cli.errors import StorageError, UnreachableError
from lakehouse_cli.model.check import CheckResult
from lakehouse_cli.model.deferred_input import DeferredInput
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.given_params import GivenParams
from lakehouse_cli.model.manifest import InputRecord, Recipe
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.schema_change import SchemaChange
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.uses import Used
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:  # not loaded where no table has partitions
    from lakehouse_cli.model.time_span import TimeSpan
    from lakehouse_cli.plan.partitioning import Link
    from lakehouse_cli.plan.units import Action, Found, UnitPlan


class PlannedTable(Struct, frozen=True):
    """One table of a plan: what would be done, and each reason for it.

    Attributes:
        name: The table.
        kind: ``source`` or ``computed``.
        storage: Name of its storage.
        uri: Where it is, or would be.
        inputs: The tables it is computed from.
        action: What would be done.
        reasons: Why; empty for what is skipped.
        schema_change: What the change of its contract means to readers; None where it did not change, or where it
            is not known before it is computed.
        state: What is stored now.
        recipe: How it would be made; None for a source, and where nothing is stored and the plan is only shown.
        refused: Why a run leaves it as it is though it is due; None where it does not.
        would_fail: Why a run could not materialize it: it is refused, or something it needs is missing or refused; None
            where nothing is known to speak against it.
        remedy: What to do where an input would make it fail that is there; None where nothing is known to help.
        notes: Remarks on a table that would run, such as an input modified outside lakehouse,
            or which key would have its transform's surroundings count.
        used: What its transform uses beside its inputs; None where nothing is declared.
        after: Tables that its checks look at, and that come before it for that.
        checks: How its checks stand, as far as earlier runs judged them on what is stored.
        is_judged: Whether a run judges types, nulls, key and checks of a source, as it is asked for, or a table that
            runs is computed from it.
        is_validated: Whether types, nulls, key and all checks are judged on what is stored of it, as `lakehouse check`
            does.
        partitions: Of a partitioned table, the partitions that are not up to date.
        up_to_date: Of a partitioned table, how many are.
        needs: Partitions of its inputs, and sources that are judged, that end before it, by name.
        recorded: What manifests call its inputs, where they call them otherwise, by name.
        drops: Whether a run removes what is stored.
        within: Of inputs of which some rows are read by time, which, by parameter.
    """

    name: str
    kind: str
    storage: str
    uri: str
    inputs: tuple[str, ...]
    action: Action
    reasons: tuple[Reason, ...] = ()
    schema_change: SchemaChange | None = None
    state: TableState | None = None
    recipe: Recipe | None = None
    refused: StorageError | None = None
    would_fail: str | None = None
    remedy: str | None = None
    notes: tuple[str, ...] = ()
    used: Used | None = None
    after: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    is_judged: bool = False
    is_validated: bool = False
    partitions: tuple[UnitPlan, ...] = ()
    up_to_date: int = 0
    needs: tuple[str, ...] = ()
    recorded: Mapping[str, str] = {}
    drops: bool = False
    within: Mapping[str, TimeSpan] = {}

    @property
    def is_check(self) -> bool:
        """Whether a run judges checks on what is stored of it, and computes nothing."""
        return self.action == "check" or self.is_judged or self.is_validated

    @property
    def stands(self) -> bool:
        """Whether it is a source of whose checks a run says what an earlier one found."""
        return self.kind == "source" and bool(self.checks) and not self.is_check

    @property
    def is_missing(self) -> bool:
        """Whether it is a source that cannot be read, as far as is known."""
        return self.kind == "source" and self.action == "read" and bool(self.reasons)

    @property
    def conditional(self) -> bool:
        """Whether it runs only if one of its inputs comes out different."""
        return bool(self.reasons) and all(reason.code == "upstream_runs" for reason in self.reasons)


class Cost(Struct, frozen=True):
    """What partitions that are due would take, as far as that is known.

    Attributes:
        partitions: How many there are.
        seconds: How long they would take, by the time that partitions of their tables took before; None where none did.
        bytes: Stored size of what they would read, without what the run makes first.
    """

    partitions: int
    seconds: float | None
    bytes: int


class Plan(Struct, frozen=True):
    """A run before it happens; tables in the order they would be materialized.

    Attributes:
        project: Name of the project.
        environment: Name of the environment.
        tables: The selected tables, and the sources that are read for them.
        notes: On the selection.
        contents: What is stored of these tables and of their inputs.
        deferred: The inputs that are read from another environment.
        out_of_reach: Why tables, of these and of their inputs, cannot be read; a run does not try them again.
        asked_sources: Sources that the user named, and those selected that are missing: a run fails where they are not
            as declared.
        unfit: The inputs that are not selected and whose stored data fail a check, by name, with what is wrong.
        misread: Why tables that stay as they are cannot be read as they are declared now, by name.
        params: What the command gave in the place of params of the file, by table.
        found: Of tables and sources with dimensions, all of their partitions.
        readings: How partitions of these are read, as of `reading_of`.
        links: What their partitions get of each input, by edge; None for an input that comes whole.
        dimensions: All there are, by name.
        as_of: The moment that stands for now, as the command gave it; None where it gave none.
        cost: What its partitions would take; None where none is due.
        newest_first: Whether the last partitions come first.
        has_remembered: As of `Snapshot`.
        left: As of `RunStarted`.
    """

    project: str
    environment: str
    tables: tuple[PlannedTable, ...]
    notes: tuple[str, ...] = ()
    contents: Mapping[str, InputRecord] = field(default_factory=dict)
    deferred: tuple[DeferredInput, ...] = ()
    out_of_reach: Mapping[str, UnreachableError] = field(default_factory=dict)
    asked_sources: tuple[str, ...] = ()
    unfit: Mapping[str, str] = {}
    misread: Mapping[str, str] = {}
    params: Mapping[str, GivenParams] = {}
    found: Mapping[str, Found] = {}
    readings: Mapping[str, str] = {}
    links: Mapping[str, tuple[Link | None, ...]] = {}
    dimensions: Mapping[str, Dimension] = {}
    as_of: datetime | None = None
    cost: Cost | None = None
    newest_first: bool = False
    has_remembered: bool = False
    left: Mapping[str, tuple[tuple[str, ...], ...] | None] = {}

    @property
    def partitioned(self) -> tuple[PlannedTable, ...]:
        """The tables whose partitions are planned; without those of which it is not known which they have."""
        return tuple(table for table in self.tables if table.name in self.links and table.refused is None)

    @property
    def runs(self) -> tuple[PlannedTable, ...]:
        """The tables that would be materialized."""
        return tuple(table for table in self.tables if table.action == "run")

    @property
    def due(self) -> tuple[PlannedTable, ...]:
        """The tables that would be materialized, or whose stored data would be checked."""
        return tuple(table for table in self.tables if table.action == "run" or table.is_check)

    @property
    def at_once(self) -> int:
        """How many tables a run may compute at once, at most: of the longest chain it is one at a time."""
        depths: dict[str, int] = {}
        if any(table.partitions for table in self.tables):
            return sum(max(len(table.partitions), 1) for table in self.due)
        for table in self.due:
            depths[table.name] = 1 + max((depths.get(name, 0) for name in table.inputs), default=0)
        return len(depths) - max(depths.values()) + 1 if depths else 0

    def __repr__(self) -> str:
        runs = plural(len(self.runs), "table")
        return f"<Plan of {self.project!r}, environment {self.environment!r}: {runs} to materialize>"

    def _repr_html_(self) -> str:
        # By name: what renders a plan knows it, and not the other way round.
        return load(Entry("lakehouse_cli.rendering.pages:plan_html"))(self)  # type: ignore[no-any-return]

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse plan -o json`."""
        return {
            "project": self.project,
            "environment": self.environment,
            **({} if self.cost is None else {"cost": to_builtins(self.cost)}),
            "deferred": [each.to_json() for each in self.deferred],
            "tables": [
                {
                    "name": table.name,
                    "kind": table.kind,
                    "storage": table.storage,
                    "uri": table.uri,
                    "inputs": list(table.inputs),
                    "action": table.action,
                    "reasons": [reason.to_json() for reason in table.reasons],
                    "schema_change": table.schema_change,
                    "would_fail": table.would_fail,
                    "notes": list(table.notes),
                    **(_partitions_json(table) if table.name in self.links else {}),
                    **({"checks": [each.to_json() for each in table.checks]} if table.checks else {}),
                }
                for table in self.tables
            ],
        }


def _partitions_json(table: PlannedTable) -> dict[str, Any]:
    """The partitions of a table that are not up to date, and how many are."""
    return {
        "partitions": [
            {
                "key": each.key,
                "action": each.action,
                "reasons": [reason.to_json() for reason in each.reasons],
                "would_fail": each.would_fail,
            }
            for each in table.partitions
        ],
        "partitions_up_to_date": table.up_to_date,
    }
