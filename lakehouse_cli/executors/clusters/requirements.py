"""What a worker must have: versions, and environment variables."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import asdict

from lakehouse_cli.executors.base import WorkerDiedError
from lakehouse_cli.executors.clusters import differences
from lakehouse_cli.executors.clusters.differences import python_version
from lakehouse_cli.version import __version__

#: Packages of which a table is made whatever transforms import.
ALWAYS = ("pyarrow", "pandas")


class Requirements(Struct, frozen=True):
    """What a run asks of each worker.

    Attributes:
        python: Its Python.
        lakehouse: Its lakehouse.
        packages: Versions by the name of the distribution; empty where any will do.
        modules: Top-level modules that it must have, whatever brings them.
        variables: Names of the environment variables that it must have.
        values: Of variables on which data depend, a hash of the value that they must have; None where it is not set.
        salt: Goes into the hashes, so that no value can be looked up.
    """

    python: str = python_version()
    lakehouse: str = __version__
    packages: Mapping[str, str] = {}
    modules: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    values: Mapping[str, str | None] = {}
    salt: bytes = b""

    def probe(self, module: str) -> str:
        """An expression that any Python can evaluate: what the process has otherwise, as `differences` returns it.

        Args:
            module: One of lakehouse's, which the process must be able to import.
        """
        asked = f"differences({module!r}, {asdict(self)!r})"
        return f"(lambda scope: exec({inspect.getsource(differences)!r}, scope) or eval({asked!r}, scope))({{}})"


def unlike(found: Sequence[str]) -> WorkerDiedError:
    """The error of a worker that has something otherwise; behind "the worker", as they are."""
    return WorkerDiedError("; it ".join(found))
