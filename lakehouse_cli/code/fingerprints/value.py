"""A fingerprint as a value, apart from what takes it: most commands only compare those that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

UNSEEN = "unseen "
"""What the parts of a fingerprint begin with that stand for code which cannot be read."""
NOT_FOLLOWED = "not followed"
"""The part that names the files for whose sake the whole project counts; for messages, and not in the hash."""
NOT_BOUND = "not bound"
"""The part that lists what is used and nothing binds; likewise."""
RULES = "rules"
"""The part that names the rules by which a fingerprint was taken; those of other rules cannot be compared in detail."""
CURRENT_RULES = "2"
"""The version of the rules. With another, every table is computed anew once; version 0.1.0 recorded none."""
QUERY = "query"
"""The part that stands for the text of a query."""
ORDER = "order"
"""The part that stands for the order in which statements run, where it matters."""


def has_unseen(parts: Iterable[str]) -> bool:
    """Whether one of a fingerprint's parts stands for code that cannot be read."""
    return bool([part for part in parts if part.startswith(UNSEEN)])


class OutsideRead(NamedTuple):
    """One place where code reads what is neither an input nor code; for notes, and not in the hash.

    Attributes:
        kind: ``variable``, ``file``, ``pattern`` for files by a pattern, ``network``, ``duckdb`` for DuckDB's
            module-wide connection, or ``order`` for a method of polars' that gives rows in another order each time.
        name: Of the variable, the file, the address or the method, where it is written there; else empty.
        file: Where, as messages name the file.
        line: Its line.
    """

    kind: str
    name: str
    file: str
    line: int


class CodeFingerprint(Struct, frozen=True):
    """The code that computes a table, as far as it can be determined without running it.

    Attributes:
        hash: 32 hexadecimal digits over all parts but those for messages; the same on every machine.
        parts: Of each definition reached (``transforms.py:daily``, ``helpers.py:LIMIT``) its kind and short hash
            (``function 3fa9c1e2d07b``; also ``class``, ``constant``, ``loop``, ``import``), with ``; setup.py 5be0…``
            for definitions in other files that change it, ``; setup.py:f 77a1…`` for each of these in any file, and
            ``; = 90cc…`` for what binds it, where more in its own file changes it; of the statements of a module that
            count for everything the same (``setup.py:<module>``), of a module of which anything may be reached
            (``helpers.py``), and of its text where code is looked at (``helpers.py:<text>``); of ``package pandas`` and
            ``python`` the version; of code that is not there to be read why (``unseen tools``); `RULES`; and `ORDER`.
            The function itself comes first. Two more say what a hash does not: `NOT_FOLLOWED` and `NOT_BOUND`.
        reads: Where the code reads variables, files or the network.
    """

    hash: str
    parts: Mapping[str, str]
    reads: tuple[OutsideRead, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether all of the code could be read: then an equal fingerprint stands for equal code."""
        return not has_unseen(self.parts)
