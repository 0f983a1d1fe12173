"""The checks of tables as asset checks of Dagster: their specifications, and what a run found of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster
from msgspec import UNSET, convert

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.integrations.run_process import without_options
from lakehouse_cli.model.check import Check, CheckResult
from lakehouse_cli.project.facade import Project
from lakehouse_cli.runs.events import TableResult

_NOT_IN_NAMES = re.compile("[^A-Za-z0-9_]+")
#: What Dagster calls each check, by table and name.
CheckKeys = Mapping[tuple[str, str], dagster.AssetCheckKey]


def check_keys(project: Project, keys: Mapping[str, dagster.AssetKey]) -> dict[tuple[str, str], dagster.AssetCheckKey]:
    """What Dagster calls each check: its name in characters that Dagster takes, with a number where that is taken."""
    taken = {key.to_python_identifier() for key in keys.values()}
    found = {}
    for name, table in project.tables.items():
        for check in table.contract.checks:
            written = _NOT_IN_NAMES.sub("_", check.name)
            called, number, of = written, 1, keys[name].to_python_identifier()
            while f"{of}_{called}" in taken:  # Dagster makes one name of the asset's and the check's
                number += 1
                called = f"{written}_{number}"
            taken.add(f"{of}_{called}")
            found[name, check.name] = dagster.AssetCheckKey(keys[name], called)
    return found


def check_specs(project: Project, keys: CheckKeys) -> list[dagster.AssetCheckSpec]:
    """The specification of each check."""
    found = []
    for (name, called), key in keys.items():
        table = project.tables[name]
        check = _check(project, name, called)
        metadata = {"lakehouse/check": check.kind, "lakehouse/severity": check.severity, "lakehouse/where": check.where}
        found.append(
            dagster.AssetCheckSpec(
                key.name,
                asset=key.asset_key,
                description=check.name,
                # What reads a source waits for the run's own judgement.
                blocking=check.blocks and table.kind == "computed",
                metadata={name: value for name, value in metadata.items() if value is not None},
            )
        )
    return found


def _check(project: Project, table: str, name: str) -> Check:
    return next(each for each in project.tables[table].contract.checks if each.name == name)


def check_results(
    project: Project, result: TableResult, keys: CheckKeys, run_id: str
) -> Iterator[dagster.AssetCheckResult]:
    """What a run found of the checks of a table.

    Args:
        project: The project.
        result: Of the table.
        keys: The checks that are wanted.
        run_id: Of the run.
    """
    for each in () if result.checks is UNSET else result.checks:
        key = keys.get((result.name, each.name))
        if key is not None and (found := _result(each, _check(project, result.name, each.name), key, run_id)):
            yield found


def _result(
    result: CheckResult, check: Check, key: dagster.AssetCheckKey, run_id: str
) -> dagster.AssetCheckResult | None:
    """What was found of a check; None where it was not judged."""
    if result.status == "skipped":
        return None
    fails = result.status == "failed" or (result.status == "errored" and check.blocks)
    metadata: dict[str, Any] = {
        "lakehouse/status": result.status,
        "lakehouse/count": result.count,
        "lakehouse/rows": result.rows,
        "lakehouse/not_judged": result.not_judged,
        "lakehouse/errored": result.errored or None,
        "lakehouse/quarantined": result.quarantined or None,
        "lakehouse/value": result.value,
        "lakehouse/threshold": result.threshold,
        "lakehouse/examples": ", ".join(_line(each) for each in result.examples) or None,
        "lakehouse/judged_earlier": result.earlier or None,
        "lakehouse/run_id": run_id or None,
    }
    return dagster.AssetCheckResult(
        passed=result.status == "passed",
        asset_key=key.asset_key,
        check_name=key.name,
        severity=dagster.AssetCheckSeverity.ERROR if fails else dagster.AssetCheckSeverity.WARN,
        description=result.message or None,
        metadata={name: value for name, value in metadata.items() if value is not None},
    )


def _line(example: Any) -> str:
    at = f"row {example.row}: " if example.row is not None else ""
    return f"{at}{example.value}"


def checked_alone(
    project: Project, arguments: Sequence[str], selected: CheckKeys
) -> Iterator[dagster.AssetCheckResult]:
    """Judge checks on what is stored, by `lakehouse check` in a process of its own.

    Args:
        project: The project.
        arguments: Of the command line, that say which project and environment.
        selected: The checks.

    Raises:
        LakehouseError: Nothing was checked, in the words of the command line.
    """
    names = list(dict.fromkeys(table for table, _ in selected))
    command = [sys.executable, "-P", "-m", "lakehouse_cli", "check", "-o", "json", *arguments, *names]
    with subprocess.Popen(  # noqa: S603  # the names of tables are no options
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=without_options()
    ) as process:
        try:
            out, _ = process.communicate()
        except BaseException:
            process.terminate()
            raise
    try:
        document = json.loads(out)
    except ValueError:
        raise LakehouseError(f"`lakehouse check` ended with exit code {process.returncode}") from None
    if "tables" not in document:
        raise LakehouseError(document["error"]["message"], hint=document["error"].get("hint"))
    for table in document["tables"]:
        # Only what is known stands in the document as something else than null.
        known = ({key: value for key, value in each.items() if value is not None} for each in table["checks"])
        checks = tuple(convert({"column": None, **each}, CheckResult) for each in known)
        yield from check_results(project, TableResult(table["name"], "unchanged", checks=checks), selected, "")
