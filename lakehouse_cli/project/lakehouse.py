"""A project that is declared in Python, and what can be done with it in a script."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lakehouse_cli.declarations import DeclaredProject

if TYPE_CHECKING:
    from lakehouse_cli.plan.planned import Plan
    from lakehouse_cli.project.facade import Project
    from lakehouse_cli.runs.events import RunResult


class Lakehouse(DeclaredProject):
    """A project that is declared in Python.

    Args:
        assets: Its tables, in any order: what `source_table` and `computed_table` return, and decorated functions.
            Tables that these have as inputs belong to it as well.
        keys: The top-level keys of `lakehouse.yaml` but ``tables`` and ``assets``, as dicts, lists and texts:
            ``name``, ``storages``, ``environments``, ``params``, ``defaults``, ``execution``, ``module``, ….
    """

    if TYPE_CHECKING:

        def __init__(
            self,
            assets: Iterable[Any] = (),
            *,
            name: str | None = None,
            storages: Mapping[str, Any] | None = None,
            environments: Mapping[str, Any] | None = None,
            params: Mapping[str, Any] | None = None,
            **keys: Any,
        ) -> None: ...

    def project(
        self,
        *,
        env: str | None = None,
        folder: str | os.PathLike[str] | None = None,
        thorough: bool = False,
        params: Mapping[str, Any] | None = None,
    ) -> Project:
        """Load it.

        Args:
            env: Name of the environment.
            folder: The project's folder, to which paths are relative; by default that of the file that declares it,
                of a package that above its own.
            thorough: As of `Project.load`.
            params: As of `Project.load`.

        Raises:
            ProjectError: It is invalid; carries every problem found, with its place.
            UsageError: There is no such environment or param; or the module that calls this is being imported by a
                load.
        """
        from lakehouse_cli.project.facade import Project

        return Project.load(folder, env=env, thorough=thorough, declared=self, params=params)

    def plan(
        self, *selection: str, env: str | None = None, params: Mapping[str, Any] | None = None, **how: Any
    ) -> Plan:
        """Return what `run` would do, and why; see `Project.plan`."""
        return self.project(env=env, params=params).plan(*selection, **how)

    def run(
        self, *selection: str, env: str | None = None, params: Mapping[str, Any] | None = None, **how: Any
    ) -> RunResult:
        """Bring its tables up to date; see `Project.run`."""
        return self.project(env=env, params=params).run(*selection, **how)
