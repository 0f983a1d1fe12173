"""What partitions were computed from, in the words of the environment that they are copied to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_content import content_of_partitions


class CopiedParts:
    """The partitions of one table, here and there.

    Args:
        partitions: All that are stored here.
        look: Looks some of them up, here and there.
        here: Gives what is stored of one here.
        there: Gives the copy of that; None where there is none.
    """

    def __init__(
        self,
        partitions: Iterable[Partition],
        look: Callable[[Iterable[Partition]], None],
        here: Callable[[Partition], InputRecord | None],
        there: Callable[[Partition], InputRecord | None],
    ) -> None:
        self._partitions, self._look, self._here, self._there = sorted(partitions), look, here, there

    def record(self, used: InputRecord, by: Partition | None) -> InputRecord | None:
        """Return the record of the copies of the partitions that something was computed from; None if that is not sure.

        Args:
            used: The record of those partitions here.
            by: The partition that was computed; None for a whole table.
        """
        for chosen in self._candidates(by):
            self._look(chosen)
            only = self._here(chosen[0]) if len(chosen) == 1 else None
            if only is not None and only.content_hash == used.content_hash:  # as it was stored
                return self._there(chosen[0])
            here = [(each, content) for each in chosen if (content := self._here(each)) is not None]
            if len(here) < len(chosen) or content_of_partitions(here).content_hash != used.content_hash:
                continue
            there = [(each, content) for each in chosen if (content := self._there(each)) is not None]
            if len(there) == len(chosen):
                reading = there[0][1].reading if there else used.reading
                return content_of_partitions(there)._replace(rows=used.rows, reading=reading)
        return None

    def _candidates(self, by: Partition | None) -> Iterator[Sequence[Partition]]:
        """Partitions that may have been read together; that they were, their content shows."""
        if by is not None:
            yield [each for each in self._partitions if _lies_in(each, by)]
        yield self._partitions


def _lies_in(finer: Partition, coarser: Partition) -> bool:
    """Whether a partition has values of another, or periods that lie in its periods, as the beginnings of keys show."""
    within, around = finer.key, coarser.key
    shared = [(value, around[name]) for name, value in within.items() if name in around]
    others = [value for name, value in around.items() if name not in within]
    periods = [value for name, value in within.items() if name not in around]
    return all(value == other for value, other in shared) and all(
        any(value.startswith((f"{other}-", f"{other}T")) for value in periods) for other in others
    )
