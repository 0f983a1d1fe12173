"""Regular expressions of checks, judged without the library that runs them: what RE2 lacks is found by its spelling."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"\\Q.*?(?:\\E|$)|\\(?P<escaped>.)|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|(?P<group>\(\?(?:<?[=!]|>|\(|P=))"
    r"|(?P<possessive>[*+?}]\+)",
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
# Spellings of RE2 that Python lacks, with which it cannot tell whether all is right.
_OF_RE2 = re.compile(r"\\[pPQzCG]|\\x\{|\[:|\(\?<\w|\(\?[a-zA-Z]*U")


def pattern_problem(pattern: str) -> tuple[str, str] | None:
    """What is wrong with a pattern, and what to do; None where nothing is known to be.

    >>> pattern_problem("(?=a)b")[0]
    'has a lookahead, `(?=`, which RE2 does not have'
    """
    for token in _TOKEN.finditer(pattern):
        if (escaped := token["escaped"]) is not None and escaped in "123456789":
            return f"has a backreference, `\\{escaped}`, which RE2 does not have", _GROUPS["(?P="][1]
        if (group := token["group"]) is not None:
            what, hint = _GROUPS[group]
            article = "" if what.startswith(("a ", "an ")) else "a "
            return f"has {article}{what}, `{group}`, which RE2 does not have", hint
        if (found := token["possessive"]) is not None:
            return f"has a possessive `{found}`, which RE2 does not have", f"write `{found[0]}`: RE2 never backtracks"
    if _OF_RE2.search(pattern):
        return None
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return (
            f"is no regular expression: {error}",
            "a character that is meant as itself is written with `\\` before it",
        )
    return None
