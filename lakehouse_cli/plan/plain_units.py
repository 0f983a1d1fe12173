"""A quick look at very many partitions, most of which are up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.plan.partitioning import LinkIndex, Values
from lakehouse_cli.plan.units import Found, Stored, StoredPartitions

_Names = tuple[tuple[str, str], ...]
# Stands for the reasons in what partitions were made by, before any of these was looked at.
_UNKNOWN = (Reason("", ""),)


class PlainUnits:
    """Takes partitions that are easily seen to be up to date; any other is left to who looks at all there is.

    Args:
        stored: What is stored of the table.
        whole: The hash and the reading of inputs that come whole, by name.
        current: Of each dimension, the period in which now lies; None where there is none.
        of_recipe: The reasons in what partitions were made by, as far as they are known.
        there: Takes the content of those that are up to date.
    """

    def __init__(
        self,
        stored: StoredPartitions,
        whole: Sequence[tuple[str, tuple[str, str] | None]],
        current: Sequence[str | None],
        of_recipe: Mapping[str, tuple[Reason, ...]],
        there: dict[Partition, InputRecord | None],
    ) -> None:
        self._records, self._contents = stored.records, stored.contents
        self._whole, self._of_recipe, self._there = whole, of_recipe, there
        self._current = [(place, period) for place, period in enumerate(current) if period is not None]
        # Of the partition that was looked at last, and of most others.
        self._names: _Names | None = None
        self._places: tuple[list[tuple[int, str]], list[int]] | None = None
        self._inputs: list[tuple[str, str, LinkIndex, Mapping[Partition, InputRecord | None]]] = []

    def add(self, index: LinkIndex, other: Found, reading: str) -> bool:
        """Add an input; returns whether it is one of which each partition gets the one of the same values."""
        if not index.is_simple or other.due or other.waiting or other.uncertain:
            return False
        self._inputs.append((index.link.record_name, reading, index, other.contents))
        return True

    def _placed(self, names: _Names) -> tuple[list[tuple[int, str]], list[int]] | None:
        """Where partitions that were made from these have each input: whole ones with their hash, the others.

        None where one of them is missing, or was read in another way.
        """
        places = {name: (place, reading) for place, (name, reading) in enumerate(names)}
        whole, others = [], []
        for name, now in self._whole:
            if now is None or name not in places or places[name][1] != now[1]:
                return None
            whole.append((places[name][0], now[0]))
        for name, reading, *_ in self._inputs:
            if name not in places or places[name][1] != reading:
                return None
            others.append(places[name][0])
        return whole, others

    def take(self, unit: Partition, values: Values) -> bool:
        """Take a partition that is up to date; returns whether it is."""
        for place, period in self._current:
            if values[place] >= period:
                return False
        record, content = self._records.get(unit), self._contents.get(unit)
        if record is None or content is None or record.content_hash != content.content_hash:
            return False
        if not record.recipe or (record.keys and _met_others(record)) or self._of_recipe.get(record.recipe, _UNKNOWN):
            return False
        names = record.input_names
        if names is not self._names:
            self._names, self._places = names, self._placed(names)
        inputs = record.input_contents
        if self._places is None or len(inputs) != len(names):
            return False
        for place, now in self._places[0]:
            if inputs[place].content_hash != now:
                return False
        for place, (_, _, index, available) in zip(self._places[1], self._inputs, strict=True):
            members = index.by_key.get(index.key(values))
            read = None if members is None else available[members[0]]
            if members is None or read is None:
                return False
            if inputs[place].content_hash != index.link.content_hash([(members[0], read)]):
                return False
        self._there[unit] = content
        return True


def _met_others(record: Stored) -> bool:
    """Whether keys of a partition were those of others as well, which is looked at by itself."""
    return any(each.beside for each in record.keys.values())
