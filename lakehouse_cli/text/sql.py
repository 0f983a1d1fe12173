"""SQL as text: names and literals, and what of a query decides what it does, without comments and spaces.

Tokens are those of PostgreSQL, which DuckDB's parser has inherited
(https://www.postgresql.org/docs/current/sql-syntax-lexical.html). No parser's tree is hashed: trees change with
versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# What names are made of: whatever is nothing else, as white space beyond ASCII.
_IN_WORDS = r"""[^ \t\n\v\f\r'"()\[\]{},;.+\-*/<>=~!@\#%^&|`?:\\]"""
# Compiled when the first query is read: most projects have none.
_TOKEN = rf"""
    (?P<comment> --[^\n\r]* )
  | (?P<block> /\* )
  | (?P<dollar> \$(?P<tag>(?:[^\W\d]\w*)?)\$ .*? \$(?P=tag)\$ )
  | (?P<escaped> [eE]'(?:[^'\\]|\\.|'')*' )
  | (?P<text> (?:[bBnNxX]|[uU]&)?'(?:[^']|'')*' )
  | (?P<name> (?:[uU]&)?"(?:[^"]|"")*" )
  | (?P<number> (?:\d[\d_]*\.?|\.\d)[\d_]*(?:[eE][-+]?\d[\d_]*)?{_IN_WORDS}* )
  | (?P<word> {_IN_WORDS}+(?:\.{_IN_WORDS}+)* )
  | (?P<operator> (?:(?!--|/\*)[-+*/<>=~!@\#%^&|`?:])+ )
  | (?P<space> [ \t\n\v\f\r]+ )
  | (?P<other> . )
    """
_PLACEHOLDER = re.compile(r"\$([^\W\d]\w*)")
_BLOCK = re.compile(r"/\*|\*/")


def quote(name: str) -> str:
    """Return a name as SQL.

    >>> print(quote('say "x" now'))
    "say ""x"" now"
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL, for databases in which a backslash is a backslash.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Texts as a list in SQL; of one null where there are none, as SQL knows no empty list."""
    return f"({', '.join(map(literal, texts)) or 'NULL'})"


def tokens(text: str) -> list[str]:
    r"""Split a query into its tokens.

    >>> tokens("select a,  -- the name\n 'it''s' /* no /* really */ */ from t")
    ['select', 'a', ',', "'it''s'", 'from', 't']
    """
    return [token for token, _ in _scan(text)]


def without_semicolon(text: str) -> str:
    """Return a query up to its last token but semicolons; as it is, where it has none."""
    if ";" not in text:
        return text
    return text[: max((end for each, end in _scan(text) if each != ";"), default=0)]


def placeholders(text: str) -> list[tuple[str, int, int]]:
    """Find each ``$name`` that is no part of a text, quoted name, comment or dollar quote: its name, begin and end.

    >>> placeholders("select $a, '$b', $c$ $d $c$ -- $e")
    [('a', 7, 9)]
    """
    found = []
    for token, end in _scan(text):
        match = _PLACEHOLDER.match(token)
        if match is not None and not token.endswith("$"):
            begin = end - len(token)
            found.append((match[1], begin, begin + match.end()))
    return found


def _scan(text: str) -> Iterator[tuple[str, int]]:
    """Each token, and where it ends."""
    match_at = re.compile(_TOKEN, re.VERBOSE | re.DOTALL).match
    position = 0
    while match := match_at(text, position):
        position = match.end()
        if match.lastgroup == "block":
            position = _end_of_comment(text, position)
        elif match.lastgroup not in ("comment", "space"):
            yield match[0], position


def _end_of_comment(text: str, position: int) -> int:
    """Where a comment ends whose ``/*`` ends at `position`; they nest."""
    depth = 1
    for match in _BLOCK.finditer(text, position):
        depth += 1 if match[0] == "/*" else -1
        if not depth:
            return match.end()
    return len(text)


def how_to_cast(declared: str, way: str | None) -> str:
    """Say what to do in a query that returns something else than a declared type.

    Args:
        declared: The type.
        way: What to write of a value, ``…``, or behind it, ``::TYPE``; None where there is no one way.
    """
    if way is not None and way.startswith(("::", "CAST(")):
        return f"cast it in the query, as with `{way}`"
    return f"make {declared} of it in the query" + ("" if way is None else f", as with `{way}`")
