"""Tables first: declare them, write pure functions, and let `lakehouse run` do everything between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse_cli.version import __version__

if TYPE_CHECKING:
    from lakehouse_cli.project import Project

__all__ = ["Project", "__version__"]


def __getattr__(name: str) -> Any:
    # The command line imports this package at every start; the facade is loaded when it is asked for.
    if name == "Project":
        from lakehouse_cli.project import Project

        return Project
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
