"""Values that came from environment variables, and texts without them.

What ``${VAR}`` stands for may be a password. The project's own messages show the variable; what libraries and the
operating system say (a path in an exception, a traceback) may show its value, and goes through a `Mask` before it is
written anywhere it stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

_Value = TypeVar("_Value")
Mask = Callable[[str], str]

#: Shorter values (`8`, `dev`) are in every other word, and no secret worth the name is so short.
SHORTEST = 4
#: Stands for a secret that is written where it is used.
HIDDEN = "***"
_REFERENCE = r"\$\{[^{}]*\}"
_PASSWORD = re.compile(rf"(?<=://)([^/?#@\s]*?):(?!(?:{_REFERENCE})+@)[^/?#\s]*(?=@)")
_TELLING = r"password|passwd|pwd|secret|token|credential|signature|sig|(?:access|account|api|private)_?key"
_SECRET_NAME = re.compile(_TELLING, re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    rf"(?<=[?&;])([^=&;#]*(?:{_TELLING})[^=&;#]*)=(?!(?:{_REFERENCE})+(?:[&;#]|$))[^&;#]*", re.IGNORECASE
)


class NotedVariables(Mapping[str, str]):
    """Environment variables that remember which of them were used.

    Attributes:
        used: Value by name, of each that was asked for and there.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.used: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = self._environ[name]
        self.used[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)

    @property
    def unnoted(self) -> Mapping[str, str]:
        """The same variables, of which nobody remembers what was used."""
        return self._environ


def unmasked(text: str) -> str:
    """The text as it is, where there is nothing to hide."""
    return text


def masked(value: _Value, mask: Mask, *, apart_from: frozenset[str] = frozenset()) -> _Value:
    """A frozen value with every text in it masked.

    Args:
        value: A dataclass, a tuple or a text, nested in whatever way; anything else is left as it is.
        mask: Takes secret values out of a text.
        apart_from: Names of fields that are left as they are.
    """
    found: Any = value
    if mask is unmasked:
        return value
    if isinstance(value, str):
        found = mask(value)
    elif isinstance(value, tuple):
        found = tuple(masked(item, mask, apart_from=apart_from) for item in value)
    elif is_dataclass(value) and not isinstance(value, type):
        free = [field.name for field in fields(value) if field.name not in apart_from]
        found = replace(value, **{name: masked(getattr(value, name), mask, apart_from=apart_from) for name in free})
    result: _Value = found
    return result


def without_password(url: str) -> str:
    """A URL, or any text, without the password in it; a variable that stands for it may be seen.

    >>> without_password("postgresql://me:hunter2@host/db?sslpassword=x")
    'postgresql://me:***@host/db?sslpassword=***'
    >>> without_password("postgresql://me:${DB_PASSWORD}@host/db")
    'postgresql://me:${DB_PASSWORD}@host/db'
    """
    if "://" not in url:
        return url
    return _SECRET_PARAMETER.sub(rf"\1={HIDDEN}", _PASSWORD.sub(rf"\1:{HIDDEN}", url))


def names_a_secret(name: str) -> bool:
    """Whether what goes by a name is nothing to show, as far as the name tells."""
    return _SECRET_NAME.search(name) is not None


def mask_of(values: Mapping[str, str]) -> Mask:
    """What puts ``${NAME}`` in the place of each value, also as it looks inside of quotes or a URL.

    Args:
        values: Value by name of its variable; those under four characters are left alone.
    """
    spellings: dict[str, str] = {}
    for name, value in values.items():
        if len(value) >= SHORTEST:
            from urllib.parse import quote  # slow to load, and only needed here

            for spelling in (value, repr(value)[1:-1], quote(value), quote(value, safe="")):
                spellings.setdefault(spelling, f"${{{name}}}")
    if not spellings:
        return unmasked
    # The longest first: one value may be part of another.
    pattern = re.compile("|".join(re.escape(s) for s in sorted(spellings, key=len, reverse=True)))
    return lambda text: pattern.sub(lambda match: spellings[match.group()], text)
