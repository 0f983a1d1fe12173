"""What an index keeps of the keys of a partition, to tell without reading them that others have none of these."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

#: Of a column, its least and its greatest value; None where it is not known.
Range: TypeAlias = tuple[int | str, int | str] | None


class KeyBounds(NamedTuple):
    """What an index has of the keys of a partition; a list in JSON.

    Attributes:
        rows: How many were judged.
        columns: The least and the greatest value of each column.
        beside: The values of partitions that had some of them as well, and that the run was about to replace, each with
            its content: where one of these stayed, they are judged anew.
    """

    rows: int
    columns: tuple[Range, ...]
    beside: tuple[tuple[tuple[str, ...], str], ...] = ()

    def may_share(self, others: KeyBounds) -> bool:
        """Whether some of these may be among others, by their ranges."""
        if not self.rows or not others.rows:
            return False
        return all(map(_overlap, self.columns, others.columns))


def _overlap(one: Range, other: Range) -> bool:
    if one is None or other is None or type(one[0]) is not type(other[0]):
        return True
    return one[0] <= other[1] and other[0] <= one[1]  # type: ignore[operator]  # of one type
