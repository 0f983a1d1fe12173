"""Which dimension of an input stands for one of a table: that of its name, or one whose periods nest with its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lakehouse_cli.model.dimension import EVERY, Dimension
from lakehouse_cli.model.period import nests


def dimensions_for(name: str, of_input: Collection[str], dimensions: Mapping[str, Dimension]) -> tuple[str, ...]:
    """Return the dimension of an input that stands for one of a table; several where it cannot be told which.

    That is the one of the same name. Of dimensions of time it is else the one with the longest periods of which several
    make one of the table's, or else the one with the shortest in which one of the table's lies.

    Args:
        name: Of the table's dimension.
        of_input: Those of the input.
        dimensions: All there are, by name.
    """
    if name in of_input:
        return (name,)
    every = dimensions[name].every if name in dimensions else None
    if every is None:
        return ()
    periods = {
        each: dimensions[each].every
        for each in of_input
        if each in dimensions and share_clocks(dimensions[each], dimensions[name])
    }
    finer = {each: other for each, other in periods.items() if other is not None and nests(other, every)}
    coarser = {each: other for each, other in periods.items() if other is not None and nests(every, other)}
    longest = min((EVERY.index(other) for other in finer.values()), default=None)
    if longest is not None:
        return tuple(each for each, other in finer.items() if EVERY.index(other) == longest)
    shortest = max((EVERY.index(other) for other in coarser.values()), default=None)
    return tuple(each for each, other in coarser.items() if EVERY.index(other) == shortest)


def share_clocks(one: Dimension, other: Dimension) -> bool:
    """Whether periods of two dimensions begin by the same clocks, so that those of one can lie in those of the other.

    Days and longer periods that files alone make are dates of the calendar, in whatever zone.
    """
    if one.timezone == other.timezone:
        return True
    return "hour" not in (one.every, other.every) and None in (one.location, other.location)


def of_time(names: Sequence[str], dimensions: Mapping[str, Dimension]) -> list[str]:
    """The dimensions of time among some."""
    return [each for each in names if each in dimensions and dimensions[each].every is not None]
