"""Tables as lists of rows."""

from __future__ import annotations

from typing import Any


class Rows(list[dict[str, Any]]):
    """A row each, with the names of the columns for where there are none.

    Attributes:
        names: Of the columns, in order.
    """

    def __init__(self, rows: Any = (), names: Any = ()) -> None:
        super().__init__(rows)
        self.names = tuple(names) or tuple(self[0] if self else ())
