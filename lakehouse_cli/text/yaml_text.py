"""Texts as the project file has them."""

from __future__ import annotations

import json
import re

_BARE = r"[A-Za-z.][\w./:-]*"


def quote_yaml(text: str) -> str:
    r"""Return a text as hints have it written: in double quotes unless it is a word, a name of a file or a URL.

    >>> print(quote_yaml(".csv"), quote_yaml("||"), quote_yaml("\t"))
    .csv "||" "\t"
    """
    return text if re.fullmatch(_BARE, text) else json.dumps(text)
