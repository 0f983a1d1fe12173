"""A project in a notebook: its summary, and the progress of its runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.page import Page

if TYPE_CHECKING:
    from lakehouse_cli.runs.events import Event


def notebook_handler() -> Callable[[Event], None] | None:
    """Make what shows the events of a run below a cell; None where this is no notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):  # a terminal has none
        return None
    from IPython.display import HTML, display  # there with every notebook

    from lakehouse_cli.rendering.reporters.notebook import NotebookReporter

    shown = display(HTML(""), display_id=True)
    return NotebookReporter(lambda html: shown.update(HTML(html))).handle


def project_page(project: Any) -> Page:
    """What is declared."""
    rows = [
        (
            f"`{table.name}`",
            table.kind,
            table.storage,
            ", ".join(f"`{name}`" for name in project.graph.upstream(table.name)),
            table.description or "",
        )
        for table in project.tables.values()
    ]
    return Page(
        f"{project.name} · {project.environment}",
        f"{plural(len(rows), 'table')} in {project.folder}",
        ("table", "kind", "storage", "inputs", "description"),
        tuple(rows),
    )
