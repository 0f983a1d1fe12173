"""Running a project: the executor it asks for, and the runner that carries out its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from lakehouse_cli.deferring import Deferral
from lakehouse_cli.errors import UsageError, did_you_mean
from lakehouse_cli.model import ProjectSpec
from lakehouse_cli.planning import Plan
from lakehouse_cli.project_code import ProjectCode
from lakehouse_cli.registry import EXECUTORS, lookup
from lakehouse_cli.runner import Runner, WorkerSetup
from lakehouse_cli.stored import StoredEnvironment

if TYPE_CHECKING:
    from lakehouse_cli.events import Event
    from lakehouse_cli.executors.base import Executor


def find_executor(name: str) -> type[Executor]:
    """The class of an executor.

    Raises:
        UsageError: There is none of that name; with close matches.
    """
    if name not in EXECUTORS:
        hint = did_you_mean(name, EXECUTORS) or f"choose one of: {', '.join(EXECUTORS)}"
        raise UsageError(f"there is no executor `{name}`", hint=hint)
    found: type[Executor] = lookup(EXECUTORS, "executor", name)
    return found


def make_runner(
    spec: ProjectSpec,
    code: ProjectCode,
    stored: StoredEnvironment,
    plan: Plan,
    *,
    executor: type[Executor],
    workers: int | None,
    emit: Callable[[Event], None],
    behind: StoredEnvironment | None = None,
    durations: Mapping[str, float] | None = None,
) -> Runner:
    """The runner of a plan.

    Args:
        spec: The project.
        code: Its code as the plan read it.
        stored: Its tables and storages.
        plan: What will be run.
        executor: Where tables are computed.
        workers: How many at once; None for the executor's own choice.
        emit: Told of every event.
        behind: The environment from which inputs are read that are deferred to.
        durations: Seconds each table took before.
    """
    storages, specs, elsewhere = stored.storages, spec.storages, {}
    if behind is not None:
        deferral = Deferral(behind)
        storages, specs = {**storages, **deferral.storages}, {**specs, **deferral.specs}
        elsewhere = {each.name: deferral.tables[each.name] for each in plan.deferred}
    return Runner(
        stored.graph,
        storages,
        WorkerSetup(spec.folder.resolve(), specs, code.snapshot),
        partial(executor, workers, at_once=plan.at_once),
        emit,
        durations or {},
        spec.memory,
        elsewhere,
    )
