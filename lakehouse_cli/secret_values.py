"""Values that came from environment variables, and texts without them.

What ``${VAR}`` stands for may be a password. The project's own messages show the variable; what libraries and the
operating system say (a path in an exception, a traceback) may show its value, and goes through a `Mask` before it is
written or shown anywhere: events as they leave the run, the reasons of a plan as it is made, errors as they are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

Mask = Callable[[str], str]
_Value = TypeVar("_Value")
_Error = TypeVar("_Error", bound=Exception)

#: Shorter values (`8`, `dev`) are in every other word, and no secret worth the name is so short.
SHORTEST = 4
#: Stands for a secret that is written where it is used.
HIDDEN = "***"
_REFERENCE = r"\$\{[^{}]*\}"
# One with a default says what it stands for.
_BARE_REFERENCE = r"\$\{\w+\}"
_USER = rf"(?:{_REFERENCE}|[^/?#@\s:])*"
_PASSWORD = re.compile(rf"(?<=://)({_USER}):(?!(?:{_BARE_REFERENCE})+@)[^?#\s]*(?=@)")
_TELLING = r"password|passwd|pwd|secret|token|credential|signature|sig|(?:access|account|api|private)_?key"
_LITERAL_PASSWORD = re.compile(rf"(://{_USER}:)(?!(?:{_BARE_REFERENCE})+@)([^?#\s]*)(?=@)")
# Names of options of storages. A column may be called `token`, and hardly a type is as long as one.
_TELLING_OPTIONS = "secret_access_key|session_token|account_key|sas_key|client_secret|service_account_key"
_OPTION_VALUE = r"'[^']*'?|\"(?:\\.|[^\"\\])*\"?|[^\s,{}\"'#][^\s,{}\"']*"
_LITERAL_OPTION = re.compile(
    rf"(\b(?:(?:{_TELLING_OPTIONS})[\"']?\s*:\s+|token[\"']?\s*:\s+(?='.{{20}}|\".{{20}}|[\w.~+/=-]{{20}})))"
    rf"(?!([\"']?)(?:{_BARE_REFERENCE})+\2(?:[\s,}}]|$))({_OPTION_VALUE})",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(_TELLING, re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    rf"(?:^|(?<=[?&;\s]))([^=&;#\s]*(?:{_TELLING})[^=&;#\s]*)=(?!(?:{_BARE_REFERENCE})+(?:[&;#\s]|$))[^&;#\s]*",
    re.IGNORECASE,
)

# Names, codes and counts, which readers compare; everything else is text in which a value may have slipped.
_NAMES = {"run_id", "project", "environment", "status", "tables", "table", "name", "code", "type", "check", "column"}
_NAMES |= {"inputs", "finishing", "started_at", "finished_at"}


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


def without_password(url: str) -> str:
    """A URL, or any text, without the password in it; a variable that stands for it may be seen.

    >>> without_password("postgresql://me:hunter2@host/db?sslpassword=x")
    'postgresql://me:***@host/db?sslpassword=***'
    >>> without_password("postgresql://me:${DB_PASSWORD}@host/db")
    'postgresql://me:${DB_PASSWORD}@host/db'
    """
    if "://" not in url and "=" not in url:
        return url
    return _SECRET_PARAMETER.sub(rf"\1={HIDDEN}", _PASSWORD.sub(rf"\1:{HIDDEN}", url))


def without_secrets(line: str) -> str:
    """A line of a project file with as many stars in the place of each secret that stands in it.

    >>> without_secrets("root: postgresql://me:hunter2@host/db")
    'root: postgresql://me:*******@host/db'
    >>> without_secrets("options: {access_key_id: me, secret_access_key: hunter2}")
    'options: {access_key_id: me, secret_access_key: *******}'
    """
    for pattern in (_LITERAL_PASSWORD, _LITERAL_OPTION):
        line = pattern.sub(lambda match: match[1] + "*" * len(match[match.re.groups]), line)
    return line


def without_values(text: str) -> str:
    """A secret as it may be shown: the variables that it is made of, and nothing else.

    >>> without_values("${ACCOUNT_KEY}"), without_values("${ACCOUNT_KEY:-hunter2}"), without_values("hunter2")
    ('${ACCOUNT_KEY}', '***', '***')
    """
    return text if re.fullmatch(rf"(?:{_BARE_REFERENCE})+", text) else HIDDEN


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

            # A private key may be many lines, and what is printed is looked at line by line.
            lines = (line for line in value.splitlines() if len(line) >= SHORTEST)
            for spelling in (value, repr(value)[1:-1], quote(value), quote(value, safe=""), *lines):
                spellings.setdefault(spelling, f"${{{name}}}")
    if not spellings:
        return unmasked
    # What is masked already stays as it is, whatever a value is called.
    spellings |= {shown: shown for shown in spellings.values()}
    # The longest first: one value may be part of another.
    pattern = re.compile("|".join(re.escape(s) for s in sorted(spellings, key=len, reverse=True)))
    return lambda text: pattern.sub(lambda match: spellings[match.group()], text)


def masked(value: _Value, mask: Mask) -> _Value:
    """A frozen value with every text in it masked, but for the names and codes by which readers find things.

    Args:
        value: A text, or dataclasses, tuples and mappings of texts; anything else is given back as it is.
        mask: From `mask_of`.
    """
    if mask is unmasked:
        return value
    hidden: _Value = _masked(value, mask)
    return hidden


def masked_error(error: _Error, mask: Mask) -> _Error:
    """The same error with every text that it carries masked."""
    if mask is unmasked:
        return error
    hidden = type(error).__new__(type(error))
    hidden.args = _masked(error.args, mask)
    hidden.__dict__.update({name: _masked(value, mask) for name, value in vars(error).items()})
    return hidden


def _masked(value: Any, mask: Mask, *, is_name: bool = False) -> Any:
    if isinstance(value, str):
        return value if is_name else mask(value)
    if isinstance(value, tuple | list):
        items = (_masked(item, mask, is_name=is_name) for item in value)
        return list(items) if isinstance(value, list) else tuple(items)
    if isinstance(value, Mapping):
        return {key: _masked(item, mask, is_name=is_name) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        before = {field.name: getattr(value, field.name) for field in fields(value)}
        after = {name: _masked(held, mask, is_name=name in _NAMES) for name, held in before.items()}
        return value if after == before else replace(value, **after)
    return value
