"""How a table comes out of others: the seam behind which Python functions are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from lakehouse_cli.errors import Problem


class Input(Struct, frozen=True):
    """One input of a computation.

    Attributes:
        table: The table handed in.
        parameter: The parameter that takes it; None where it goes into ``*args``.
        positional: Whether it must be passed by position.
        is_single: Whether it is one partition of the table, or none.
    """

    table: str
    parameter: str | None
    positional: bool = False
    is_single: bool = False


class MatchedInputs(NamedTuple):
    """What a computation takes.

    Attributes:
        inputs: In the order of its parameters, as far as the problems allow; None where it cannot be read.
        problems: What does not fit.
    """

    inputs: tuple[Input, ...] | None
    problems: list[Problem]


class Fingerprint(Protocol):
    """All that decides what a computation makes of its inputs."""

    @property
    def hash(self) -> str:
        """Another one wherever the result may be another."""

    @property
    def parts(self) -> Mapping[str, str]:
        """Name → short hash or version of each thing it covers, to report what changed."""


class Computation(Protocol):
    """A computation of one table. The graph and recipes ask it for what they need, and know no kind of it."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def inputs(self, tables: Collection[str]) -> MatchedInputs:
        """Match what it takes to tables.

        Args:
            tables: Names of all tables there are.
        """

    def fingerprint(self) -> Fingerprint:
        """Fingerprint it without running it.

        Raises:
            ProjectError: Code that it reaches cannot be read.
        """

    def run(self, inputs: Sequence[tuple[Input, Any]]) -> Any:
        """Compute the table, not yet validated against its contract, as an Arrow table.

        Args:
            inputs: Each of its inputs with the data.

        Raises:
            TransformError: It failed.
        """
