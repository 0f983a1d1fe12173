"""What a command, or a former run, gave in the place of params of the file: kept with the run, and given again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lakehouse_cli.config.tables_cache import is_json
from lakehouse_cli.model.given_params import GivenParams
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.project_code import ProjectCode
from lakehouse_cli.plan.project_params import ByTable, Unkept
from lakehouse_cli.text.redaction import Mask, masked

if TYPE_CHECKING:
    from lakehouse_cli.runs.history.reading import Unfinished


def private_texts(code: ProjectCode) -> Iterator[str]:
    """The texts of params that are never shown, as far as the command gave them."""
    for table, given in code.given.items():
        for name in given.keys() & code.spec.tables[table].private:
            yield from _texts(given[name])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif not isinstance(value, bool | None):
        yield str(value)


def given_params(code: ProjectCode, names: Collection[str], mask: Mask) -> dict[str, GivenParams]:
    """What a command gave in the place of params, by table; what would not come back as it is is not kept."""
    found = {}
    for name in names:
        table = code.spec.tables[name]
        if (given := code.given.get(table.quarantine_of or name)) is not None:
            kept = {n: v for n, v in given.items() if n not in table.private and is_json(v) and masked(v, mask) == v}
            found[name] = GivenParams(kept, tuple(each for each in given if each not in kept))
    return found


def params_again(graph: AssetGraph, unfinished: Mapping[str, Unfinished]) -> ByTable:
    """What the params of tables were given in the runs that did not finish them, by table."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, run in unfinished.items():
        values = {**run.given.values, **{each: Unkept(run.run_id) for each in run.given.unkept}}
        if values:
            found.update(dict.fromkeys(graph.siblings(name), values))
    return found
