"""What a worker must have: versions, and environment variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from importlib.util import find_spec

from msgspec import Struct

from lakehouse_cli.version import __version__

#: Packages of which a table is made whatever transforms import.
ALWAYS = ("pyarrow", "pandas")


def python_version() -> str:
    """Python's, as far as bytes and behaviour depend on it."""
    return ".".join(map(str, sys.version_info[:2]))


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

    def differences(self) -> tuple[str, ...]:
        """What this process has otherwise, each as a clause behind "the worker"."""
        return tuple(self._differences())

    def _differences(self) -> Iterator[str]:
        here: dict[str, tuple[str | None, str]] = {
            "Python": (python_version(), self.python),
            "lakehouse": (__version__, self.lakehouse),
        }
        for name, wanted in self.packages.items():
            here[name] = installed_version(name), wanted
        for name, (found, wanted) in here.items():
            if found is None:
                yield f"has no {name}"
            elif wanted not in ("", found):
                yield f"has {name} {found}, not {wanted}"
        for name in self.modules:
            if find_spec(name) is None:
                yield f"has no module `{name}`, nor has this machine: install it, or correct the import"
        for name in self.variables:
            if name not in os.environ:
                yield f"lacks the environment variable `{name}`"
        for name, value in self.values.items():
            if value is not None and name not in os.environ:
                yield f"lacks the environment variable `{name}`"
            elif hash_of(os.environ.get(name), self.salt) != value:
                yield f"has another value of the environment variable `{name}`"


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def hash_of(value: str | None, salt: bytes) -> str | None:
    """A hash by which two values can be compared, and not found."""
    return None if value is None else blake2b(os.fsencode(value), key=salt[:64], digest_size=16).hexdigest()
