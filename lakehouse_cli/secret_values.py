"""Values that came from environment variables, and texts without them.

What ``${VAR}`` stands for may be a password. The project's own messages show the variable; what libraries and the
operating system say (a path in an exception, a traceback) may show its value, and goes through a `Mask` before it is
written or shown anywhere: events as they leave the run, the reasons of a plan as it is made, errors as they are told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

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
# Of options of storages. A column, or a param, may go by such a name too; then a type stands behind it.
_TELLING_OPTIONS = (
    r"\w*(?:password|passwd|pwd|secret|token|credential|(?:access|account|api|private|sas)_?key(?!_?id))\w*"
)
_A_TYPE = r"[{\[&*!|>]|(?:u?int|float|double|bool|string|binary|date|time|duration|decimal|dict|list|struct|null)"
_OPTION_VALUE = r"'[^']*'?|\"(?:\\.|[^\"\\])*\"?|[^\s,{}\"'#][^\s,{}\"']*"
_LITERAL_OPTION = re.compile(
    rf"(\b(?:{_TELLING_OPTIONS})[\"']?\s*:\s+)(?!{_A_TYPE})"
    rf"(?!([\"']?)(?:{_BARE_REFERENCE})+\2(?:[\s,}}]|$))({_OPTION_VALUE})",
    re.IGNORECASE,
)
_LITERAL_PARAMETER = re.compile(
    rf"([?&][^=&#\s]*(?:{_TELLING})[^=&#\s]*=)(?!(?:{_BARE_REFERENCE})+(?:[&#\s\"',}}]|$))([^&#\s\"',}}]+)",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(_TELLING, re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    rf"(?:^|(?<=[?&;\s]))([^=&;#\s]*(?:{_TELLING})[^=&;#\s]*)=(?!(?:{_BARE_REFERENCE})+(?:[&;#\s]|$))[^&;#\s]*",
    re.IGNORECASE,
)

# Values that are in many a word and name: short, and letters of one case or digits alone.
_PLAIN = re.compile(
    r"(?=.{1,11}\Z)[A-Z]?(?:[a-z]+|[0-9]+)(?:[-_](?:[a-z]+|[0-9]+))*\Z|(?=.{1,11}\Z)[A-Z]+(?:[-_][A-Z]+)*\Z"
)
# A word may follow an escape: of a text in quotes, of a URL, of JSON, of a terminal.
_VALUE_BEGINS = "(?<=[:=])"
_WORD_BEGINS = r"(?:(?<!\w)|(?<=\\[abfnrtv])|(?<=%[0-9A-Fa-f]{2})|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})"
_WORD_BEGINS += r"|(?<=\x1b\[m)|(?<=\x1b\[\dm)|(?<=\x1b\[\d\dm))"
# Names of files are no secrets: `lakehouse.yaml`, `transforms.py`, `daily.csv`.
_WORD_ENDS = r"(?!\w|\.(?:ya?ml|py|csv|parquet|arrow|jsonl?|xlsx)\b)"

# Names, codes and counts, which readers compare; everything else is text in which a value may have slipped.
_NAMES = {"run_id", "project", "environment", "status", "tables", "table", "name", "code", "type", "check"}
_NAMES |= {"inputs", "finishing", "started_at", "finished_at", "schema_change"}
# Of whatever data hold, which may be what a transform made of a value.
_NAMES_IN_DATA = {"column"}
# Of the tool's own making, from names and from what is written in the project file.
_LOCATIONS = {"uri", "from_uri", "to_uri", "against_uri", "file"}


class Mask(Struct, frozen=True):
    """Puts ``${NAME}`` in the place of the values of variables, wherever they stand in a text.

    Attributes:
        shown: What stands in the place of each spelling of a value.
        pattern: Finds them; None where there is nothing to hide.
        in_locations: Finds them in a location, where a plain word is one only after ``:`` or ``=``.
        names: Of the project's own tables, columns and the like, which anybody may see.
    """

    shown: Mapping[str, str] = field(default_factory=dict)
    pattern: re.Pattern[str] | None = None
    in_locations: re.Pattern[str] | None = None
    names: Collection[str] = frozenset()

    def __call__(self, text: str) -> str:
        """A text without the values."""
        return self._without(self.pattern, text)

    def location(self, text: str) -> str:
        """Where something is, without the values; a plain word there is the name of something."""
        return self._without(self.in_locations, text)

    def name(self, text: str) -> str:
        """A name as it is where it is one of the project's own; any other without the values."""
        return text if text in self.names else self(text)

    def _without(self, pattern: re.Pattern[str] | None, text: str) -> str:
        # What is masked already stays as it is, whatever a value is called.
        return text if pattern is None else pattern.sub(lambda match: self.shown.get(match[0], match[0]), text)


#: Where there is nothing to hide.
unmasked = Mask()


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
    >>> without_secrets("root: postgresql://me@host/db?password=hunter2")
    'root: postgresql://me@host/db?password=*******'
    """
    for pattern in (_LITERAL_PASSWORD, _LITERAL_PARAMETER, _LITERAL_OPTION):
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


def mask_of(values: Mapping[str, str], names: Iterable[str] = ()) -> Mask:
    """What puts ``${NAME}`` in the place of each value, also as it looks inside of quotes or a URL.

    So it does with the password in a value that is a URL. A value that is a plain word, such as ``lake``, is looked for
    as a whole word only.

    Args:
        values: Value by name of its variable; those under four characters are left alone.
        names: Of the project's own tables, columns, environments and the like, which anybody may see: a plain word that
            is one of these is a value only where a value stands, after ``:`` or ``=``.
    """
    shown: dict[str, str] = {}
    for name, value in values.items():
        for spelling in _spellings(value):
            if len(spelling) >= SHORTEST:
                shown.setdefault(spelling, f"${{{name}}}")
    if not shown:
        return unmasked
    names = frozenset(names)
    references = rf"\$\{{(?:{'|'.join(map(re.escape, values))})(?::-[^{{}}]*)?\}}"
    # The longest first: one value may be part of another.
    spellings = sorted(shown, key=len, reverse=True)
    anywhere = [references, *(_found(each, _VALUE_BEGINS if each in names else _WORD_BEGINS) for each in spellings)]
    in_locations = [references, *(_found(each, _VALUE_BEGINS) for each in spellings)]
    return Mask(shown, re.compile("|".join(anywhere)), re.compile("|".join(in_locations)), names)


def _found(spelling: str, word_begins: str) -> str:
    """The pattern of a spelling: wherever it stands, or as a word where it is a plain one."""
    plain = _PLAIN.match(spelling) is not None
    return f"{word_begins}{re.escape(spelling)}{_WORD_ENDS}" if plain else re.escape(spelling)


def _spellings(value: str) -> Iterator[str]:
    """The ways in which a value, and the secrets within it, may turn up in a text."""
    if len(value) < SHORTEST:
        return
    from urllib.parse import quote, unquote  # slow to load, and only needed here

    # A private key may be many lines, and what is printed is looked at line by line.
    for part in (value, *_secrets_within(value), *value.splitlines()):
        for text in (part, unquote(part)):
            yield from (text, repr(text)[1:-1], quote(text), quote(text, safe=""))


def _secrets_within(value: str) -> Iterator[str]:
    """The password and the secret parameters of a URL."""
    before, _, user_info = value.partition("?")[0].rpartition("@")[0].partition("://")
    if before and ":" in user_info:
        yield user_info.partition(":")[2]
    for match in _SECRET_PARAMETER.finditer(value):
        yield match[0].partition("=")[2]


def masked(value: _Value, mask: Mask) -> _Value:
    """A frozen value with every text in it masked, but for the names and codes by which readers find things.

    Args:
        value: A text, or structs, tuples and mappings of texts; anything else is given back as it is.
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


def _masked(value: Any, mask: Mask, name: str = "") -> Any:
    if isinstance(value, str):
        return _masked_text(value, mask, name)
    if isinstance(value, tuple | list):
        items = (_masked(item, mask, name) for item in value)
        return list(items) if isinstance(value, list) else tuple(items)
    if isinstance(value, Mapping):
        return {key: _masked(item, mask, name) for key, item in value.items()}
    if isinstance(value, Struct):
        before = {field: getattr(value, field) for field in value.__struct_fields__}
        after = {name: _masked(held, mask, name) for name, held in before.items()}
        return value if after == before else replace(value, **after)
    return value


def _masked_text(text: str, mask: Mask, name: str) -> str:
    if name in _NAMES:
        return text
    if name in _NAMES_IN_DATA:
        return mask.name(text)
    return mask.location(text) if name in _LOCATIONS else mask(text)
