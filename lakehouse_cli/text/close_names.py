"""Known names that are close to one that was misspelt."""

from __future__ import annotations

from collections.abc import Iterable

from lakehouse_cli.text.invisible import same_to_the_eye, visible


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """List the known names that are close to another one, the closest first; at most three."""
    from difflib import get_close_matches  # not loaded where nothing is misspelt

    candidates = list(known)
    matches = alike(name, candidates) or get_close_matches(name, candidates, n=3, cutoff=0.6)
    if not matches:
        folded = {candidate.casefold(): candidate for candidate in candidates}
        matches = [folded[m] for m in get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    return matches


def alike(name: str, known: Iterable[str]) -> list[str]:
    """List the known names that look the same as another one, which differs in characters that cannot be seen."""
    seen = same_to_the_eye(name)
    return [each for each in known if each != name and same_to_the_eye(each) == seen]


def did_you_mean(name: str, known: Iterable[str], *, written: str = "{}") -> str | None:
    """A hint naming the closest known names, or None when none is close.

    >>> did_you_mean("colums", ["columns", "path"])
    'did you mean `columns`?'

    Args:
        name: As it was misspelt.
        known: What it may be.
        written: How one of these is written whole, with `{}` for it.
    """
    matches = close_names(name, known)
    return suggestion([written.format(match) for match in matches]) if matches else None


def suggestion(names: Iterable[str]) -> str:
    """A hint naming what was probably meant.

    >>> suggestion(["int32", "int64"])
    'did you mean `int32` or `int64`?'
    """
    return f"did you mean {' or '.join(f'`{visible(name)}`' for name in names)}?"
