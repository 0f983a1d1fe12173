"""Tables first: declare them, write pure functions, and let `lakehouse run` do everything between."""

from __future__ import annotations

from lakehouse_cli.version import __version__

TYPE_CHECKING = False  # as type checkers know it, without loading `typing` before Ctrl-C is seen to
if TYPE_CHECKING:
    from typing import Any

    from lakehouse_cli.project.facade import Project

__all__ = ["Project", "__version__"]


def __getattr__(name: str) -> Any:
    # The command line imports this package at every start; the facade is loaded when it is asked for.
    if name == "Project":
        from lakehouse_cli.project.facade import Project

        return Project
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
