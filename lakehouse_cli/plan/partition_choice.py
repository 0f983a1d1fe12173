"""The partitions that a command is asked for: `--partition month=2024-01..2024-06`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model.dimension import Dimension, Every
from lakehouse_cli.model.nesting import dimensions_for
from lakehouse_cli.model.partition import FILE, HIVE_NULL, Partition
from lakehouse_cli.model.period import SAMPLES, PeriodError, nests, period_around, period_number
from lakehouse_cli.text.close_names import did_you_mean


class PartitionChoice(Struct, frozen=True):
    """Some partitions of all tables.

    Attributes:
        dimensions: All there are, by name.
        chosen: By dimension, first and last value of what is chosen of it; the same twice for one value.
    """

    dimensions: Mapping[str, Dimension]
    chosen: Mapping[str, tuple[tuple[str, str], ...]] = {}

    def __str__(self) -> str:
        """As it is given: ``month=2024-01..2024-06, region=eu``."""
        return ", ".join(
            f"{name}={first if first == last else f'{first}..{last}'}"
            for name, values in self.chosen.items()
            for first, last in values
        )

    def names(self, dimensions: Sequence[str]) -> dict[str, str]:
        """The dimensions of a table of which some values are chosen; by each the chosen one that says which.

        That is the dimension itself, or one of longer periods in which its own lie. Others are not chosen from.
        """
        found: dict[str, str] = {}
        for name in self.chosen:
            for own in dimensions_for(name, dimensions, self.dimensions):
                if own == name or nests(self._every(own), self._every(name)):
                    found[own] = name
        return found

    def includes(self, partition: Partition) -> bool:
        """Whether a partition is chosen; one of a table without any of the dimensions is not."""
        names = self.names(partition.dimensions)
        key = partition.key
        return bool(names) and all(self._includes(own, name, key[own]) for own, name in names.items())

    def _includes(self, own: str, name: str, value: str) -> bool:
        is_known = own == name or value == HIVE_NULL
        around = value if is_known else period_around(value, self._every(own), self._every(name))
        if name not in self.dimensions or self.dimensions[name].every is None:
            return any(around == first for first, _ in self.chosen[name])
        return any(first <= around <= last for first, last in self.chosen[name])

    def _every(self, name: str) -> Every:
        every = self.dimensions[name].every
        assert every is not None  # noqa: S101  # of two of different names, both are of time
        return every


def parse_partitions(texts: Iterable[str], dimensions: Mapping[str, Dimension]) -> PartitionChoice | None:
    """Read what `--partition` is given: values of one dimension add up, those of several must all be met.

    Args:
        texts: Such as ``month=2024-01``, ``month=2024-01..2024-06``, ``region=eu``, ``file=raw/sales_1.csv``.
        dimensions: All of the project, by name.

    Returns:
        What is chosen; None where nothing is given.

    Raises:
        UsageError: There is no such dimension, or it has no such value.
    """
    chosen: dict[str, tuple[tuple[str, str], ...]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            hint = "write a dimension, `=` and a value: `--partition month=2024-01`"
            raise UsageError(f"`{text}` is no partition", hint=hint)
        if name != FILE and name not in dimensions:
            raise _unknown(name, dimensions)
        found = (value, value) if name == FILE else _values(dimensions[name], value)
        chosen[name] = (*chosen.get(name, ()), found)
    return PartitionChoice(dimensions, chosen) if chosen else None


def _unknown(name: str, dimensions: Mapping[str, Dimension]) -> UsageError:
    hint = did_you_mean(name, [*dimensions, FILE])
    if hint is None and dimensions:
        hint = f"dimensions are {', '.join(f'`{each}`' for each in dimensions)}"
    return UsageError(f"there is no dimension `{name}`", hint=hint or "no table of the project has partitions")


def _values(dimension: Dimension, text: str) -> tuple[str, str]:
    name, every = dimension.name, dimension.every
    if every is None:
        if dimension.values is not None and text not in dimension.values:
            hint = did_you_mean(text, dimension.values) or f"its values are {', '.join(dimension.values)}"
            raise UsageError(f"`{text}` is no value of dimension `{name}`", hint=hint)
        return text, text
    if text == HIVE_NULL:
        return text, text
    first, dots, last = text.partition("..")
    last = last if dots else first
    for each in (first, last):
        try:
            period_number(each, every)
        except PeriodError as error:
            has_end = each or not dots
            hint = error.hint if has_end else f"write both ends: `{name}={SAMPLES[every]}..{SAMPLES[every]}`"
            message = str(error) if has_end else f"`{text}` has one end"
            raise UsageError(f"`--partition {name}={text}`: {message}", hint=hint) from None
    if last < first:
        raise UsageError(f"`{text}` ends before it begins", hint=f"write `--partition {name}={last}..{first}`")
    return first, last
