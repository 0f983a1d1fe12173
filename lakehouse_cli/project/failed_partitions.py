"""The partitions of a table of which rows are kept that broke its contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.plan.partition_choice import parse_partitions


def partitions_with_rows(
    table: Table, kept: Sequence[str], texts: Sequence[str], dimensions: Mapping[str, Dimension], *, one: bool
) -> list[str]:
    """The names of the partitions whose rows are asked for; that of the table where none are kept.

    Args:
        table: With partitions.
        kept: Names of those of which rows are kept.
        texts: As `--partition` is given.
        dimensions: All there are, by name.
        one: Whether there may be one alone.

    Raises:
        UsageError: Rows of several are kept and one is asked for, or `--partition` is not as it is written.
    """
    choice = parse_partitions(texts, dimensions)
    found = {name: _partition(table, name) for name in kept}
    chosen = [name for name, each in found.items() if choice is None or (each is not None and choice.includes(each))]
    if one and len(chosen) > 1:
        first = found[chosen[0]]
        option = " ".join(f"--partition {name}={value}" for name, value in first.key.items()) if first else ""
        names = ", ".join(str(found[name]) for name in chosen[:5])
        hint = f"name one: `lakehouse show {table.name} {option} --failed`; `-o json` and `--out` give all"
        raise UsageError(f"failed rows of {len(chosen)} partitions of `{table.name}` are kept: {names}", hint=hint)
    return chosen or [table.name]


def _partition(table: Table, name: str) -> Partition | None:
    """The partition of a name; None of one with other dimensions than the table has now."""
    pairs = [part.partition("=") for part in name.partition("/")[2].split("/")]
    if tuple(key for key, _, _ in pairs) != table.partitions:
        return None
    return Partition(table.partitions, tuple([unquote(value) for _, _, value in pairs]))
