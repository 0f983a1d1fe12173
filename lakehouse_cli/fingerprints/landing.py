"""Where uses of names lead."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct, field
from msgspec.structs import force_setattr

Name = tuple[str, str]
"""A module's dotted name, and a name it binds."""

BELOW = ".*"
"""What follows a module's name where the modules may be meant that can be taken from it as attributes."""


class Landing(Struct, frozen=True, eq=False):
    """Where uses of names lead.

    Attributes:
        names: Definitions, with the attributes that remain to be taken from each.
        passed: Names of modules that only pass on what they import.
        modules: Modules of which anything may be meant; ``clean.*`` where this goes for those in it as well.
        packages: Top-level names of other people's packages.
        unbound: Names that nothing binds.
        unknown: Whether any module may be meant.
        all_names: Definitions, and names that pass them on.
    """

    names: frozenset[tuple[str, str, tuple[str, ...]]] = frozenset()
    passed: frozenset[Name] = frozenset()
    modules: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    unbound: frozenset[Name] = frozenset()
    unknown: bool = False
    all_names: frozenset[Name] = frozenset()

    def __post_init__(self) -> None:
        together = self.passed.union([(module, name) for module, name, _ in self.names]) if self.names else self.passed
        force_setattr(self, "all_names", together)

    @classmethod
    def joined(cls, landings: Collection[Landing]) -> Landing:
        """All that several lead to."""
        if len(landings) == 1:
            return next(iter(landings))
        return cls(
            frozenset().union(*(landing.names for landing in landings)),
            frozenset().union(*(landing.passed for landing in landings)),
            frozenset().union(*(landing.modules for landing in landings)),
            frozenset().union(*(landing.packages for landing in landings)),
            frozenset().union(*(landing.unbound for landing in landings)),
            any(landing.unknown for landing in landings),
        )

    @classmethod
    def anything_of(cls, module: str, *, unknown: bool = False) -> Landing:
        """Anything that can be taken from a module, by whatever name."""
        return cls(modules=frozenset((module, module + BELOW)), unknown=unknown)


NOWHERE = Landing()


class Finding(Struct):
    """A landing while it is looked for; attributes as of `Landing`."""

    names: set[tuple[str, str, tuple[str, ...]]] = field(default_factory=set)
    passed: set[Name] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)
    unbound: set[Name] = field(default_factory=set)
    unknown: bool = False
    seen: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)

    def landing(self) -> Landing:
        """What was found."""
        return Landing(
            frozenset(self.names),
            frozenset(self.passed),
            frozenset(self.modules),
            frozenset(self.packages),
            frozenset(self.unbound),
            self.unknown,
        )
