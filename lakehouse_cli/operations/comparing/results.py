"""The result of a comparison, as frozen values and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.errors import HIDDEN
from lakehouse_cli.operations.preview import hide_values
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.runs.error_info import ErrorInfo, error_json
from lakehouse_cli.text.counts import plural

DiffStatus = Literal["equal", "different", "added", "removed", "missing", "failed", "skipped"]


class SchemaDifference(Struct, frozen=True):
    """The difference of columns.

    Attributes:
        added: Name and type of each new column.
        removed: Name and type of each removed one.
        changed: Name, type before and type after of each changed one.
    """

    added: tuple[tuple[str, str], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    changed: tuple[tuple[str, str, str], ...] = ()

    def __bool__(self) -> bool:
        """Whether they differ at all; their order does not count."""
        return bool(self.added or self.removed or self.changed)


class ChangedRow(Struct, frozen=True):
    """One row with other values after than before.

    Attributes:
        key: The values of its key.
        values: By column that changed, the value before and after.
    """

    key: Mapping[str, Any]
    values: Mapping[str, tuple[Any, Any]]


class RowDifference(Struct, frozen=True):
    """The difference of rows, in the columns that both have.

    Attributes:
        key: The columns by which rows were matched; empty where whole rows were compared.
        added: Number of new rows.
        removed: Number of removed rows.
        changed: Number of rows with other values; 0 where whole rows were compared.
        columns: By column, in how many of the changed rows it changed.
        examples_added: The first new rows; values as JSON has them.
        examples_removed: The first removed rows.
        examples_changed: The first changed rows.
        numeric: The columns of numbers, which are aligned to the right.
        notes: Remarks on how the rows were compared.
    """

    key: tuple[str, ...] = ()
    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    examples_added: tuple[Mapping[str, Any], ...] = ()
    examples_removed: tuple[Mapping[str, Any], ...] = ()
    examples_changed: tuple[ChangedRow, ...] = ()
    numeric: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def without_values(self, hidden: Collection[str]) -> RowDifference:
        """The same without the values of some columns; null is shown."""
        added, removed = (
            tuple(hide_values(row, hidden) for row in rows) for rows in (self.examples_added, self.examples_removed)
        )
        changed = tuple(
            ChangedRow(
                hide_values(row.key, hidden),
                {n: (HIDDEN, HIDDEN) if n in hidden else values for n, values in row.values.items()},
            )
            for row in self.examples_changed
        )
        return replace(self, examples_added=added, examples_removed=removed, examples_changed=changed)

    def __bool__(self) -> bool:
        """Whether they differ at all."""
        return bool(self.added or self.removed or self.changed)


class ComparedTable(Struct, frozen=True):
    """One table, before and after.

    Attributes:
        name: The table.
        status: ``added``: it exists only after; ``removed``: only before; ``missing``: in neither;
            ``skipped``: not computed, as an input could not be.
        before_uri: Location of the table that is compared against.
        uri: Location of the table that is compared; empty where it was computed and is stored nowhere.
        rows_before: Number of rows before; None if unknown.
        rows: Number of rows after; None if unknown.
        schema: How its columns differ.
        difference: How its rows differ.
        note: A remark.
        error: Why it could not be compared.
    """

    name: str
    status: DiffStatus
    before_uri: str = ""
    uri: str = ""
    rows_before: int | None = None
    rows: int | None = None
    schema: SchemaDifference = field(default_factory=SchemaDifference)
    difference: RowDifference = field(default_factory=RowDifference)
    note: str = ""
    error: ErrorInfo | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the document of `lakehouse diff -o json`."""
        schema, rows = self.schema, self.difference
        return {
            "name": self.name,
            "status": self.status,
            "uri": self.uri or None,
            "against_uri": self.before_uri or None,
            "rows": {"before": self.rows_before, "after": self.rows},
            "schema": {
                "added": [{"name": name, "type": type_} for name, type_ in schema.added],
                "removed": [{"name": name, "type": type_} for name, type_ in schema.removed],
                "changed": [{"name": name, "before": old, "after": new} for name, old, new in schema.changed],
            },
            "key": list(rows.key),
            "added": rows.added,
            "removed": rows.removed,
            "changed": rows.changed,
            "changed_columns": dict(rows.columns),
            "examples": {
                "added": [dict(row) for row in rows.examples_added],
                "removed": [dict(row) for row in rows.examples_removed],
                "changed": [
                    {
                        "key": dict(row.key),
                        "columns": {name: {"before": old, "after": new} for name, (old, new) in row.values.items()},
                    }
                    for row in rows.examples_changed
                ],
            },
            "notes": [*rows.notes, *([self.note] if self.note else [])],
            "error": error_json(self.error),
        }


class Comparison(Struct, frozen=True):
    """All tables of one comparison.

    Attributes:
        project: Name of the project.
        environment: The environment that is compared.
        against: The one it is compared against; None for what is stored in the same one.
        tables: In the order in which they are computed.
        notes: Those of the selection.
        sensitive: The columns whose values are not shown, by table.
    """

    project: str
    environment: str
    against: str | None
    tables: tuple[ComparedTable, ...]
    notes: tuple[str, ...] = ()
    sensitive: Mapping[str, Collection[str]] = {}

    def __repr__(self) -> str:
        differing = sum(table.status not in ("equal", "missing") for table in self.tables)
        return f"<Comparison of {self.project!r}: {differing} of {plural(len(self.tables), 'table')} different>"

    def _repr_html_(self) -> str:
        return load(Entry("lakehouse_cli.operations.comparing.text:comparison_html"))(self)  # type: ignore[no-any-return]

    @property
    def equal(self) -> bool:
        """Whether all tables are the same, and could be compared."""
        return all(table.status in ("equal", "missing") for table in self.tables)

    def without_values(self, hidden: Mapping[str, Collection[str]]) -> Comparison:
        """The same without the values of some columns, by table."""
        tables = (
            replace(each, difference=each.difference.without_values(names))
            if (names := hidden.get(each.name))
            else each
            for each in self.tables
        )
        return replace(self, tables=tuple(tables))

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse diff -o json`."""
        return {
            "project": self.project,
            "environment": self.environment,
            "against": self.against,
            "status": "equal" if self.equal else "different",
            "tables": [table.to_json() for table in self.tables],
        }
