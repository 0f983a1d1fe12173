"""One table of a loaded project: what `project["daily"]` is."""

from __future__ import annotations

from typing import Any

from lakehouse_cli.model import Table
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.page import Page, to_html
from lakehouse_cli.text.terminal import moment_text, size_text


class ProjectTable:
    """One table of a loaded project: `read`, `show` and `history`, as of `Project`, without its name.

    Attributes:
        declared: Its declaration.
    """

    def __init__(self, project: Any, declared: Table) -> None:
        self._project = project
        self.declared = declared

    @property
    def name(self) -> str:
        """Its name."""
        return self.declared.name

    def read(self, **how: Any) -> Any:
        """Read what is stored; see `Project.read`."""
        return self._project.read(self.name, **how)

    def show(self, count: int = 10, **how: Any) -> Any:
        """Look at what is stored; see `Project.show`."""
        return self._project.show(self.name, count, **how)

    def history(self) -> Any:
        """Look at its runs; see `Project.table_history`."""
        return self._project.table_history(self.name)

    def page(self) -> Page:
        """Describe it: where it is, what is stored by its manifest, and its columns."""
        table = self.declared
        uri = self._project.storage(self.name).uri(table)
        rows = [
            (
                f"`{column.name}`",
                str(column.type),
                "" if table.contract.may_be_null(column.name) else "not null",
                column.description or "",
            )
            for column in table.columns or ()
        ]
        inputs = f"inputs: {', '.join(f'`{name}`' for name in self._project.graph.upstream(self.name))}"
        return Page(
            f"`{self.name}` · {table.kind} · {uri}",
            self._stored(),
            ("column", "type", "", "description"),
            tuple(rows),
            notes=tuple(each for each in (table.description, inputs if table.kind == "computed" else None) if each),
        )

    def _stored(self) -> str:
        with self._project.planner.connected():
            state = self._project.stored.snapshot((self.name,)).states[self.name]
        if state.trouble is not None:
            return str(state.trouble.message)
        if state.manifest is None:
            return "never materialized" if self.declared.kind == "computed" else ""
        made = state.manifest
        when = moment_text(made.finished_at)
        return f"{plural(made.rows, 'row')}, {size_text(made.bytes)}, materialized {when} by run {made.run_id}"

    def _repr_html_(self) -> str:
        return to_html(self.page())

    def __repr__(self) -> str:
        return f"<ProjectTable {self.name!r} of {self._project.name!r}>"
