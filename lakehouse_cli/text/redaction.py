"""Values that came from environment variables, and texts without them.

What ``${VAR}`` stands for may be a password. The project's own messages show the variable; what libraries and the
operating system say (a path in an exception, a traceback) may show its value, and goes through a `Mask` before it is
written or shown anywhere: events as they leave the run, a plan as it is made, errors as they are reported.
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
# Patterns are texts: compiling all of them takes longer than a short command needs them.
_REFERENCE = r"\$\{[^{}]*\}"
# One with a default says what it stands for.
_BARE_REFERENCE = r"\$\{\w+\}"
_USER = rf"(?:{_REFERENCE}|[^/?#@\s:])*"
_PORT_AND_QUERY = r"\d+(?:/[^?@\s]*)?\?[^@\s=]*="
# To the last `@` before a comment or another URL, but for one in a query: `host:5432/db?email=me@x`.
_TO_AT = rf"(?!{_PORT_AND_QUERY})(?:(?! #|[\s\"'({{\[,=][A-Za-z][\w+.-]*://).)*(?=@)"
_REVEALING = r"password|passwd|pwd|secret|token|credential|signature|sig|(?:access|account|api|private)_?key"
_PASSWORD = rf"(://{_USER}:)(?!(?:{_BARE_REFERENCE})+@)({_TO_AT})"
# Of options of storages. A column, or a param, may go by such a name too; then a type stands behind it.
_REVEALING_OPTIONS = (
    r"\w*(?:password|passwd|pwd|secret|token|credential|(?:access|account|api|private|sas)_?key(?!_?id))\w*"
)
_A_TYPE = r"[{\[&*!|>]|(?:u?int|float|double|bool|string|binary|date|time|duration|decimal|dict|list|struct|null)"
_OPTION_VALUE = r"'[^']*'?|\"(?:\\.|[^\"\\])*\"?|[^\s,{}\"'#][^\s,{}\"']*"
_WRITTEN_OPTION = (
    rf"(?i)(\b(?:{_REVEALING_OPTIONS})[\"']?\s*:\s+)(?!{_A_TYPE})"
    rf"(?!([\"']?)(?:{_BARE_REFERENCE})+\2(?:[\s,}}]|$))({_OPTION_VALUE})"
)
_WRITTEN_PARAMETER = (
    rf"(?i)([?&;][^=&;#\s]*(?:{_REVEALING})[^=&;#\s]*=)(?!(?:{_BARE_REFERENCE})+(?:[&;#\s\"',}}]|$))([^&;#\s\"',}}]+)"
)
# Of a cluster, whose address has no credentials: all of what has more in it than a host and a port.
_WRITTEN_ADDRESS = (
    rf"(\baddress[\"']?\s*:\s*[\"']?)((?:[^\s\"',{{}}@?#;]|{_REFERENCE})*[@?#;](?:[^\s\"',{{}}]|{_REFERENCE})*)"
)
_SECRET_NAME = rf"(?i){_REVEALING}"
_SECRET_PARAMETER = (
    rf"(?i)(?:^|(?<=[?&;\s]))([^=&;#\s]*(?:{_REVEALING})[^=&;#\s]*)=(?!(?:{_BARE_REFERENCE})+(?:[&;#\s]|$))[^&;#\s]*"
)

# Values that are in many a word and name: short, and letters of one case or digits alone.
_PLAIN = r"(?=.{1,11}\Z)[A-Z]?(?:[a-z]+|[0-9]+)(?:[-_](?:[a-z]+|[0-9]+))*\Z|(?=.{1,11}\Z)[A-Z]+(?:[-_][A-Z]+)*\Z"
# A word may follow an escape: of a text in quotes, of a URL, of JSON, of a terminal.
_VALUE_BEGINS = "(?<=[:=])"
# A piece of a password that is a plain word is one where a program quotes it, not in every sentence.
_PIECE_BEGINS = "(?<=[:='\"])"
_PIECES_END = r"[/#?@:%\[\]\s]+"
# As `Basic` of HTTP has it after a user name of whatever length; shorter ones would be found by chance.
_SHORTEST_BASE64 = 8
_WORD_BEGINS = r"(?:(?<!\w)|(?<=\\[abfnrtv])|(?<=%[0-9A-Fa-f]{2})|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})"
_WORD_BEGINS += r"|(?<=\x1b\[m)|(?<=\x1b\[\dm)|(?<=\x1b\[\d\dm))"
# Names of files are no secrets: `lakehouse.yaml`, `transforms.py`, `daily.csv`.
_WORD_ENDS = r"(?!\w|\.(?:ya?ml|py|csv|parquet|arrow|jsonl?|xlsx)\b)"

# Names, codes and counts, which readers compare; everything else is text in which a value may have slipped.
_NAMES = {"run_id", "project", "environment", "status", "tables", "table", "name", "code", "type", "check"}
_NAMES |= {"inputs", "finishing", "started_at", "finished_at", "schema_change"}
# Names in data, which a transform may have made of a value.
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

    def of_texts(self) -> Mask:
        """The same without the names, which may be many."""
        return self if self is unmasked else replace(self, names=())

    def _without(self, pattern: re.Pattern[str] | None, text: str) -> str:
        if pattern is None:
            return text
        # What is masked already stays as it is, whatever a value is called.
        text = pattern.sub(lambda match: self.shown.get(_folded(match[0]), match[0]), text)
        *cut_off, rest = text.split("…")
        return "…".join([*map(self._without_beginning, cut_off), rest])

    def _without_beginning(self, text: str) -> str:
        """A text that was cut off, without the beginning of a value at its end."""
        for form, shown in self.shown.items():
            for size in range(min(len(form), len(text)), SHORTEST - 1, -1):
                if text.endswith(form[:size]) and not re.match(_PLAIN, form):
                    return text[:-size] + shown
        return text


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
    return re.sub(_SECRET_PARAMETER, rf"\1={HIDDEN}", re.sub(_PASSWORD, rf"\1{HIDDEN}", url))


def without_secrets(line: str) -> str:
    """A line of a project file with as many stars in the place of each secret that stands in it.

    >>> without_secrets("root: postgresql://me:hunter2@host/db")
    'root: postgresql://me:*******@host/db'
    >>> without_secrets("options: {access_key_id: me, secret_access_key: hunter2}")
    'options: {access_key_id: me, secret_access_key: *******}'
    >>> without_secrets("root: postgresql://me@host/db?password=hunter2")
    'root: postgresql://me@host/db?password=*******'
    >>> without_secrets("options: {address: 'tls://t0k3n@host:8786'}")
    "options: {address: '*********************'}"
    """
    for pattern in (_PASSWORD, _WRITTEN_PARAMETER, _WRITTEN_OPTION, _WRITTEN_ADDRESS):
        line = re.sub(pattern, lambda match: match[1] + "*" * len(match[match.re.groups]), line)
    return line


def without_values(text: str) -> str:
    """A secret as it may be shown: the variables that it is made of, and nothing else.

    >>> without_values("${ACCOUNT_KEY}"), without_values("${ACCOUNT_KEY:-hunter2}"), without_values("hunter2")
    ('${ACCOUNT_KEY}', '***', '***')
    """
    return text if re.fullmatch(rf"(?:{_BARE_REFERENCE})+", text) else HIDDEN


def names_a_secret(name: str) -> bool:
    """Whether a name says that its value is secret."""
    return re.search(_SECRET_NAME, name) is not None


def names_a_secret_option(name: str) -> bool:
    """Whether an option, or a param, of a name is taken for a credential: the whole name says so."""
    return re.fullmatch(_REVEALING_OPTIONS, name, re.IGNORECASE) is not None


def mask_of(values: Mapping[str, str], names: Iterable[str] = (), hidden: Iterable[str] = ()) -> Mask:
    """What puts ``${NAME}`` in the place of each value, in each of the forms that programs give it.

    These are: as it is, percent-encoded and decoded, with ``+`` for spaces, escaped as in a text of Python, JSON, SQL
    or HTML, and with its white space folded. Of a password, in a value that is a URL or by the name of its variable,
    also what lies between the characters that delimit the parts of a URL, and the inner part of its Base64. A value
    that is a plain word, such as ``lake``, is looked for as a whole word only.

    Args:
        values: Value by name of its variable; those under four characters are left alone.
        names: Of the project's own tables, columns, environments and the like, which anybody may see: a plain word that
            is one of these is a value only where a value stands, after ``:`` or ``=``.
        hidden: Texts of which nothing but stars is shown, as they came from no variable.
    """
    references = rf"\$\{{(?:{'|'.join(map(re.escape, values))})(?::-[^{{}}]*)?\}}|{re.escape(HIDDEN)}"
    texts = [(f"${{{name}}}", name, value) for name, value in values.items()]
    return _mask([*texts, *((HIDDEN, "", text) for text in hidden)], references, frozenset(names))


def mask_of_url(url: str) -> Mask:
    """What puts stars in the place of a URL and of the secrets within it, in each of the forms of `mask_of`."""
    return _mask([(HIDDEN, "", url)], re.escape(HIDDEN), frozenset())


def _mask(values: Iterable[tuple[str, str, str]], masked: str, names: frozenset[str]) -> Mask:
    """A mask.

    Args:
        values: What is shown in the place of each value, its name, and the value.
        masked: Pattern of what is shown.
        names: Of the project's own.
    """
    shown: dict[str, str] = {}
    pieces: dict[str, str] = {}
    ends: dict[str, str] = {}
    for text, name, value in values:
        for form in _forms(value):
            shown.setdefault(_folded(form), text)
            if form[-1].isspace():
                ends[_folded(form)] = r"\s?"
        for piece in _pieces(name, value):
            pieces.setdefault(piece, text)
    if not shown:
        return unmasked
    begins = {each: _VALUE_BEGINS if each in names else _WORD_BEGINS for each in shown}

    def pattern(found: Mapping[str, str]) -> re.Pattern[str]:
        # The longest first: one value may be part of another.
        by_length = sorted(found, key=len, reverse=True)
        return re.compile("|".join([masked, *(_found(each, found[each]) + ends.get(each, "") for each in by_length)]))

    anywhere = pattern({**dict.fromkeys(pieces, _PIECE_BEGINS), **begins})
    in_locations = pattern(dict.fromkeys([*shown, *pieces], _VALUE_BEGINS))
    return Mask({**pieces, **shown}, anywhere, in_locations, names)


def _found(form: str, word_begins: str) -> str:
    """The pattern of a form: wherever it stands, or as a word where it is a plain one."""
    if re.match(_PLAIN, form):
        return f"{word_begins}{re.escape(form)}{_WORD_ENDS}"
    return r"\s+".join(map(re.escape, form.split())) or re.escape(form)


def _folded(text: str) -> str:
    """A text without white space around it, and with one space in the place of any other."""
    return " ".join(text.split()) or text


def _forms(value: str) -> Iterator[str]:
    """The ways in which a value, and the secrets within it, may turn up in a text."""
    if len(value) < SHORTEST:
        return
    from urllib.parse import unquote  # slow to load, and only needed here

    # A private key may be many lines, and what is printed is looked at line by line.
    for part in (value, *_secrets_within(value), *value.splitlines()):
        for text in (part, unquote(part)):
            yield from (form for form in _escaped(text) if len(form.strip()) >= SHORTEST or form == value)


def _escaped(text: str) -> Iterator[str]:
    from html import escape
    from json import dumps
    from urllib.parse import quote, quote_plus

    yield from (text, text.encode("ascii", "backslashreplace").decode())
    parts = text.split("'")
    raw = [part.encode(errors="surrogateescape") for part in parts]
    for escaped in ([*map(repr, parts)], [*map(ascii, parts)], [repr(part)[1:] for part in raw]):
        # Which quote is escaped depends on what else is in the text that is quoted.
        for quote_mark in ("'", "\\'"):
            yield quote_mark.join(part[1:-1] for part in escaped)
    yield from (dumps(text)[1:-1], dumps(text, ensure_ascii=False)[1:-1])
    yield from (text.replace("'", "''"), text.replace("\\", "\\\\").replace("'", "\\'"))
    yield from (escape(text), escape(text, quote=False))
    for encoded in (
        quote(text, errors="surrogateescape"),
        quote(text, "", errors="surrogateescape"),
        quote_plus(text, errors="surrogateescape"),
    ):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)


def _pieces(name: str, value: str) -> Iterator[str]:
    """What a program may quote of the passwords in a value, and the forms in which HTTP has them."""
    from base64 import b64encode, urlsafe_b64encode
    from urllib.parse import unquote

    within = [value] if names_a_secret(name) else []
    if len(value) < SHORTEST:
        return
    for secret in dict.fromkeys([*within, *_secrets_within(value)]):
        for text in dict.fromkeys((secret, unquote(secret))):
            yield from (piece for piece in re.split(_PIECES_END, text) if len(piece) >= SHORTEST)
            raw = text.encode(errors="surrogateescape")
            for before in range(3):
                # Without the characters that depend on what stands beside it.
                first, last = (before * 8 + 5) // 6, (before + len(raw)) * 8 // 6
                for encode in (b64encode, urlsafe_b64encode):
                    inner = encode(bytes(before) + raw)[first:last].decode()
                    if len(inner) >= _SHORTEST_BASE64:
                        yield inner


def _secrets_within(value: str) -> Iterator[str]:
    """The password and the secret parameters of a URL; where one was not encoded, as far as it may go."""
    scheme, _, rest = value.partition("://")
    for text in (rest.partition("?")[0], rest) if scheme else ():
        user_info = text.rpartition("@")[0]
        password = user_info.partition(":")[2]
        if password and not re.match(_PORT_AND_QUERY, password):
            yield password
        elif user_info and ":" not in user_info and not re.match(_PLAIN, user_info):
            yield user_info  # a token
    for match in re.finditer(_SECRET_PARAMETER, value):
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
        after = {name: _masked(member, mask, name) for name, member in before.items()}
        return value if after == before else replace(value, **after)
    return value


def _masked_text(text: str, mask: Mask, name: str) -> str:
    if name in _NAMES:
        return text
    if name in _NAMES_IN_DATA:
        return mask.name(text)
    return mask.location(text) if name in _LOCATIONS else mask(text)
