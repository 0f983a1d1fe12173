"""A project as assets of Dagster: `definitions("lakehouse.yaml")`. See docs/orchestrators.md."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

from msgspec import UNSET

from lakehouse_cli.errors import LakehouseError, UsageError
from lakehouse_cli.integrations.run_process import Message, RunProcess
from lakehouse_cli.model import Table
from lakehouse_cli.project.facade import Project
from lakehouse_cli.registry import install_command
from lakehouse_cli.rendering.reporters.run_text import failure_lines, reading_text, retry_text
from lakehouse_cli.runs.event_json import Beginning, Ending
from lakehouse_cli.runs.events import TableFinished, TableReading, TableResult, TableRetrying, TableStarted
from lakehouse_cli.text.causes import joined
from lakehouse_cli.text.terminal import Terminal

try:
    import dagster
except ImportError as error:
    raise ImportError(f"dagster is not installed: {install_command('dagster')}") from error

from lakehouse_cli.integrations.dagster_checks import CheckKeys, check_keys, check_results, check_specs, checked_alone
from lakehouse_cli.integrations.dagster_specs import asset_keys, asset_specs, column_schema

_PLAIN = Terminal()
_STORED = ("materialized", "unchanged")
# By which Dagster keeps the data version of a materialization that is logged.
_DATA_VERSION = "dagster/data_version"


def definitions(
    path: str | PathLike[str] | None = None,
    *,
    env: str | None = None,
    module: str | None = None,
    key_prefix: str | Sequence[str] = (),
    sources: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
) -> dagster.Definitions:
    """Make Dagster's definitions of a project: an asset for each table.

    Computed tables are one multi-asset: a run of Dagster, of any selection of them, is one run of lakehouse. Sources
    are external assets. Checks are asset checks, those of computed tables of the same step. Loading the definitions
    runs none of the project's code, unless a module declares its tables.

    Args:
        path: The project file or its folder; None searches the current folder and those above.
        env: Name of the environment; ``default`` is what stands at the top of the file.
        module: ``module`` or ``module:name`` that declares the project, in place of a project file in folder `path`.
        key_prefix: Of the keys of all assets, such as where two environments of a project are assets side by side.
        sources: Keys of sources that other assets of Dagster make; those are no external assets here.
        params: Values of params over those of the file, for every run; none that the file takes from a variable.

    Raises:
        ProjectError: The project is invalid; carries every problem found, with its place.
        UsageError: There is no such environment, source or param; or its value is of another type, or not to be seen.
    """
    project = Project.load(path, env=env, declared=module, params=params)
    where = _arguments(project, module, params or {})
    prefix = [key_prefix] if isinstance(key_prefix, str) else list(key_prefix)
    made = {_source(project, name): dagster.AssetKey.from_coercible(key) for name, key in (sources or {}).items()}
    keys = asset_keys(project.tables, prefix) | made
    specs = asset_specs(project, keys)
    computed = [name for name in project.graph.order if project.tables[name].kind == "computed"]
    sources_here = (name for name, table in project.tables.items() if table.kind == "source" and name not in made)
    assets: list[Any] = [specs[name] for name in sources_here]
    checks = check_keys(project, keys)
    of_sources = {each: key for each, key in checks.items() if each[0] not in computed}
    if of_sources:
        assets.append(_source_checks(project, where, prefix, of_sources))
    if computed:
        of_computed = {each: key for each, key in checks.items() if each[0] in computed}
        make = dagster.multi_asset(
            name=_op_name(project, prefix),
            specs=[specs[name] for name in computed],
            check_specs=check_specs(project, of_computed),
            can_subset=True,
        )
        assets.append(make(_computation(project, where, {name: keys[name] for name in computed}, of_computed)))
    return dagster.Definitions(assets=assets)


def _source(project: Project, name: str) -> str:
    if project.table(name).kind != "source":
        raise UsageError(f"`{name}` is not a source", hint="`sources` takes tables of `kind: source`")
    return name


def _op_name(project: Project, prefix: Sequence[str]) -> str:
    """Name what computes the tables, another name for each project, environment and prefix."""
    parts = ("lakehouse", *prefix, project.name, project.environment)
    return re.sub("[^A-Za-z0-9_]+", "_", "__".join(parts))


def _arguments(project: Project, module: str | None, params: Mapping[str, Any]) -> list[str]:
    """Of the command line, that say which project and environment, and the params."""
    where = ["-C", str(project.folder), "-m", module] if module is not None else ["-C", str(project.spec.file)]
    given = [f"--param={name}={_text_of(project, name)}" for name in params]
    return [*where, "-e", project.environment, *given]


def _text_of(project: Project, name: str) -> str:
    """The value of a param as the command line takes it, which all that runs here can see."""
    tables = [table for table in project.tables.values() if name in table.params]
    if any(name in table.private for table in tables) or (
        name in project.spec.params and project.spec.params[name].is_private
    ):
        raise UsageError(
            f"param `{name}` is filled in from a variable, and others could see what is given here",
            hint="set the variable, and leave it out of `params`",
        )
    value = project.spec.params[name].value if name in project.spec.params else tables[0].params[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _source_checks(project: Project, where: Sequence[str], prefix: Sequence[str], keys: CheckKeys) -> Any:
    def check(context: dagster.AssetCheckExecutionContext) -> Iterator[Any]:
        asked = context.selected_asset_check_keys
        yield from _checked(project, where, {each: key for each, key in keys.items() if key in asked})

    check.__annotations__["context"] = dagster.AssetCheckExecutionContext
    name = f"{_op_name(project, prefix)}__sources"
    return dagster.multi_asset_check(specs=check_specs(project, keys), name=name, can_subset=True)(check)


def _checked(project: Project, where: Sequence[str], selected: CheckKeys) -> Iterator[Any]:
    """Judge what is stored."""
    try:
        yield from checked_alone(project, where, selected)
    except LakehouseError as error:
        raise dagster.Failure(str(error)) from None


def _computation(
    project: Project, where: Sequence[str], keys: Mapping[str, dagster.AssetKey], checks: CheckKeys
) -> Any:
    def compute(context: dagster.AssetExecutionContext) -> Iterator[Any]:
        wanted, asked = context.selected_asset_keys, context.selected_asset_check_keys  # made anew each time
        judges = {each: key for each, key in checks.items() if key in asked}
        selected = [name for name, key in keys.items() if key in wanted]
        if not selected:  # checks alone
            yield from _checked(project, where, judges)
            return
        run_id, failed = "", list[TableResult]()
        try:
            with RunProcess([*where, *selected]) as run:
                for event in run.events():
                    match event:
                        case Beginning():
                            run_id = event.run_id
                        case TableFinished(result) if result.name in keys and result.status in _STORED:
                            key, metadata = keys[result.name], _metadata(project.table(result.name), result, run_id)
                            version = None if result.content_hash is UNSET else dagster.DataVersion(result.content_hash)
                            if key in wanted:
                                yield dagster.MaterializeResult(asset_key=key, metadata=metadata, data_version=version)
                            else:  # what one call computes with a table that was selected
                                tags = None if version is None else {_DATA_VERSION: version.value}
                                context.log_event(dagster.AssetMaterialization(key, metadata=metadata, tags=tags))
                            yield from check_results(project, result, judges, run_id)
                        case TableFinished(result) if result.status == "failed":
                            failed.append(result)
                            yield from check_results(project, result, judges, run_id)
                        case Ending(end):
                            failed.sort(key=lambda each: end.tables.index(each.name))
                            if end.status == "cancelled":
                                raise dagster.Failure(f"run {run_id} was {end.cancelled_by or 'cancelled'}")
                    _log(context, event)
        except LakehouseError as error:
            raise dagster.Failure(str(error)) from None
        if failed:
            text = "\n".join(failure_lines(_PLAIN, failed))
            raise dagster.Failure(text, metadata={"lakehouse/run_id": run_id})

    # Dagster takes the class for an annotation, and not its name.
    compute.__annotations__["context"] = dagster.AssetExecutionContext
    return compute


def _metadata(table: Table, result: TableResult, run_id: str) -> dict[str, Any]:
    reasons = joined([reason.message for reason in result.reasons], by_partition=bool(result.partitions))
    metadata: dict[str, Any] = {
        "lakehouse/status": result.status,
        "lakehouse/run_id": run_id,
        "lakehouse/why": "; ".join(filter(None, [reasons, *result.notes])) or None,
        "lakehouse/bytes": result.bytes,
        "dagster/uri": result.uri,
        "dagster/row_count": result.rows,
        "dagster/column_schema": None if result.columns is UNSET else column_schema(table, result.columns),
    }
    return {name: value for name, value in metadata.items() if value is not None}


def _log(context: dagster.AssetExecutionContext, event: object) -> None:
    """Say in Dagster's log of a run what its own events do not."""
    match event:
        case Message(text, is_printed=True):
            sys.stderr.write(f"{text}\n")
        case Message(text):
            context.log.warning(text)
        case Beginning():
            context.log.info(f"run {event.run_id} of lakehouse begins")
            for note in event.notes:
                context.log.info(note)
        case TableStarted():
            context.log.info(f"{event.table} is computed")
        case TableReading():
            context.log.info(f"{event.table}: {reading_text(event)}")
        case TableRetrying():
            context.log.warning(f"{event.table}: {retry_text(event)}")
        case TableFinished(result) if result.error is not None:
            context.log.warning(f"{result.name} {result.status}: {result.error.message}")
