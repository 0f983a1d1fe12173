"""SQLite's SQL as tokens, which are not those of PostgreSQL: https://www.sqlite.org/lang_expr.html."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lakehouse_cli.storage_types.names import ascii_lower

_PATTERN = r"""
    (?P<gap> --[^\n]* | /\*.*?(?:\*/|\Z) | [ \t\n\f\r]+ )
  | (?P<text> '(?:[^']|'')*' )
  | (?P<quoted> "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] )
  | (?P<param> [$@:\#][A-Za-z0-9_$\x80-\U0010ffff]+ | \?\d* )
  | (?P<number> 0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)? )
  | (?P<word> [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* )
  | (?P<operator> <=|>=|<>|!=|==|\|\||<<|>>|->>|-> | . )
    """


class Token(NamedTuple):
    """A token of a query.

    Attributes:
        kind: ``text``, ``quoted`` of a name in quotes, ``param``, ``number``, ``word`` or ``operator``.
        written: As it is written.
        begin: 0-based offset in the query.
    """

    kind: str
    written: str
    begin: int

    @property
    def value(self) -> str:
        """The text or name without its quotes; what has none as it is."""
        first = self.written[0]
        if self.kind not in ("text", "quoted"):
            return self.written
        return self.written[1:-1] if first == "[" else self.written[1:-1].replace(first * 2, first)

    @property
    def name(self) -> str:
        """In small letters what may be a name or keyword; empty for the others."""
        return ascii_lower(self.value) if self.kind in ("word", "quoted") else ""


def tokens(text: str) -> list[Token]:
    """Split a query into its tokens.

    >>> print(*(each.value for each in tokens("select [b] from t /* it's */ where c >= 'it''s' -- d")), sep="|")
    select|b|from|t|where|c|>=|it's
    """
    return list(_scan(text))


def with_names(text: str, others: Mapping[str, str]) -> str:
    r"""Return a query with other names, in no quotes, in the place of those that are keys, in whatever case and quotes.

    >>> print(with_names("select a.ID, \"id\", [id], 'id' from a -- id", {"id": "other"}))
    select a.other, other, other, 'id' from a -- id
    """
    return _replaced(text, {each: others[each.name] for each in _scan(text) if each.name in others})


def without_fallback(text: str) -> str:
    r"""Return a query in which no name is in double quotes, which SQLite takes for a text where no column is called so.

    >>> print(without_fallback("select \"a`\", '\"b\"' from t"))
    select `a```, '"b"' from t
    """
    doubled = (each for each in _scan(text) if each.written[0] == '"' and each.kind == "quoted")
    return _replaced(text, {each: "`" + each.value.replace("`", "``") + "`" for each in doubled})


def with_clauses(text: str) -> set[str]:
    """The names that a query may give by WITH, in small letters.

    >>> sorted(with_clauses("with A as (select 1), [b] (x, y) as not materialized (select 2) select 3 as c from a"))
    ['a', 'b']
    """
    found, seen = set(), tokens(text)
    for position, token in enumerate(seen):
        if not token.name or position + 1 == len(seen) or seen[position + 1].written.lower() not in ("(", "as"):
            continue
        rest = [each.written.lower() for each in seen[position + 1 :]]
        if rest[:1] == ["("] and ")" in rest:
            rest = rest[rest.index(")") + 1 :]
        if rest[:1] == ["as"]:
            while rest[1:2] in (["not"], ["materialized"]):
                del rest[1]
            if rest[1:2] == ["("]:
                found.add(token.name)
    return found


def _replaced(text: str, others: Mapping[Token, str]) -> str:
    parts, position = [], 0
    for token, other in others.items():
        parts += [text[position : token.begin], other]
        position = token.begin + len(token.written)
    return "".join([*parts, text[position:]])


def _scan(text: str) -> Iterator[Token]:
    for match in re.finditer(_PATTERN, text, re.VERBOSE | re.DOTALL):
        if match.lastgroup != "gap":
            yield Token(str(match.lastgroup), match[0], match.start())
