"""What names a database lets its tables, schemas and columns have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

#: The table of ours that holds the manifests of a database.
MANIFESTS = "lakehouse_manifests"
#: Likewise, those of partitions.
PARTITIONS = "lakehouse_partitions"
#: What no table of a project is.
OWN = frozenset((MANIFESTS, PARTITIONS))
#: What to do where a query reads it.
MANIFESTS_HINT = f"leave it out: `{MANIFESTS}` is lakehouse's own, and no table of a project"

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def ascii_lower(name: str) -> str:
    """Return a name as databases compare it to which only letters of ASCII have a case.

    >>> ascii_lower("ÄB")
    'Äb'
    """
    return name.translate(_LOWER)


class Names(Struct, frozen=True):
    """The rules of one kind of storage.

    Attributes:
        owner: What messages call it.
        longest: Bytes that a name may have in UTF-8; None for as many as it likes.
        own_prefix: With what names of tables begin that are the database's own, in whatever case; empty for none.
        keeps_manifests: Whether a table of it is ours.
        has_schemas: Whether a path may be ``schema/name``.
        needs_columns: Whether a table has at least one.
        fold: Two columns whose names it makes the same are one; None where case counts.
    """

    owner: str
    longest: int | None = None
    own_prefix: str = ""
    keeps_manifests: bool = True
    has_schemas: bool = True
    needs_columns: bool = False
    fold: Callable[[str], str] | None = None

    def split(self, path: str) -> tuple[str, str]:
        """Schema and name of a path; no schema where it names none.

        >>> Names("X").split("a/b/c")
        ('a', 'b/c')
        """
        schema, separator, name = path.partition("/")
        return (schema, name) if separator and self.has_schemas else ("", path)

    def problem(self, name: str) -> str | None:
        """Return why a name cannot be one of anything, as what follows it; None where it can."""
        if "\0" in name:
            return "holds a NUL character"
        if self.longest is not None and len(name.encode()) > self.longest:
            return f"is longer than {self.longest} bytes, which is what {self.owner} takes of a name"
        return None

    def path_problem(self, path: str) -> tuple[str, str] | None:
        """Return the part of a table's path that cannot be a name, and why, as what follows it; None where all can."""
        schema, name = self.split(path)
        for part in filter(None, (schema, name)):
            why = self.problem(part)
            if why is not None:
                return part, why
        if self.keeps_manifests and name.casefold() in OWN:
            return name, "is the table that holds the manifests"
        if self.own_prefix and name.lower().startswith(self.own_prefix):
            return name, f"begins with `{self.own_prefix}`, which is {self.owner}'s own"
        return None

    def column_problems(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Return columns that cannot be called so beside the others, and why, as what follows `column` and the name."""
        seen: dict[str, str] = {}
        for name in names:
            why = self.problem(name)
            if why is not None:
                yield name, why
            other = seen.setdefault(self.fold(name), name) if self.fold is not None else name
            if other != name:
                yield name, f"differs from `{other}` only in upper and lower case, which {self.owner} takes for one"
