"""Regular expressions of checks, which are of RE2: what it lacks by its spelling, and the full match."""

from __future__ import annotations

import re

# What could hold any of the signs comes first: quotes, escapes, classes.
_TOKEN = re.compile(
    r"(?P<quote>\\Q.*?(?P<end>\\E|$))|\\[pP]\{[^}]*\}|\\x\{[^}]*\}"
    r"|(?P<reference>\\(?:[1-7](?![0-7])|[89]))|\\."
    r"|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]"
    r"|(?P<group>\(\?(?:<?[=!]|>|\(|P=))|(?P<possessive>(?:[*+?]|\{\d+(?:,\d*)?\})\+)",
    re.DOTALL,
)
_GROUPS = {
    "(?=": ("lookahead", "match the whole value instead; what must not follow can be a second check, `expression`"),
    "(?!": ("negative lookahead", 'use `not_in`, or a check `expression: "not regexp_full_match(…)"`'),
    "(?<=": ("lookbehind", "match the whole value: `matches` is a full match"),
    "(?<!": ("negative lookbehind", "match the whole value: `matches` is a full match"),
    "(?>": ("an atomic group", "write `(?:…)`: RE2 never backtracks"),
    "(?(": ("a conditional group", "write the alternatives: `(?:a|b)`"),
    "(?P=": ("a backreference", "compare in a check `expression`"),
}


def full_match(pattern: str) -> str:
    r"""The pattern that finds a text where all of it matches.

    >>> full_match("a|b")
    '\\A(?:a|b)\\z'
    """
    quote = next((each for each in _TOKEN.finditer(pattern) if each["quote"] and not each["end"]), None)
    return rf"\A(?:{pattern}{'' if quote is None else chr(92) + 'E'})\z"


def pattern_problem(pattern: str) -> tuple[str, str] | None:
    """What a pattern has that others know and RE2 does not, and what to do; None where nothing is known.

    >>> pattern_problem("(?=a)b")[0]
    'has a lookahead, `(?=`, which RE2 does not have'
    """
    for token in _TOKEN.finditer(pattern):
        if (found := token["reference"]) is not None:
            return f"has a backreference, `{found}`, which RE2 does not have", _GROUPS["(?P="][1]
        if (found := token["group"]) is not None:
            what, hint = _GROUPS[found]
            article = "" if what.startswith(("a ", "an ")) else "a "
            return f"has {article}{what}, `{found}`, which RE2 does not have", hint
        if (found := token["possessive"]) is not None:
            return (
                f"has a possessive `{found}`, which RE2 does not have",
                f"write `{found[:-1]}`: RE2 never backtracks",
            )
    return None
