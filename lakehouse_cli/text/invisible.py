"""Characters of names that a reader cannot see: no-break and zero-width spaces, byte order marks, combining marks."""

from __future__ import annotations

# Cyrillic and Greek letters that look like Latin ones, which are those below them.
_LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u03bf\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420"
    "\u0421\u0422\u0425\u0406\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "aeopcyxisjoABEKMHOPCTXIABEZHIKMNOPTYX",
)
_NAMED_ESCAPES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def visible(name: str, beside: str | None = None) -> str:
    r"""Return the name with what cannot be seen in it as escapes, which Python and quotes in YAML read alike.

    Beside another name, those are escaped too that look like its letters and are others.

    >>> visible("a\u200b"), visible("u\u0308ber"), visible("über")
    ('a\\u200b', 'u\\u0308ber', 'über')
    """
    if name.isascii() and name.isprintable():
        return name
    return "".join(_escaped(char) if _is_unseen(char, beside) else char for char in name)


def same_to_the_eye(name: str) -> str:
    """Return the name as a reader sees it: composed, in Latin letters, without what cannot be seen or blanks around."""
    if name.isascii() and name.isprintable():
        return name.strip()
    from unicodedata import normalize  # only needed here

    return (
        "".join(" " if char.isspace() else char for char in normalize("NFC", name) if _is_shown(char))
        .strip()
        .translate(_LOOKALIKES)
    )


def unseen_characters(name: str, beside: str | None = None) -> str:
    r"""Name the characters of a name that `visible` escapes, each once.

    >>> unseen_characters("a\u200bb\xa0")
    'U+200B zero width space, U+00A0 no-break space'
    """
    return ", ".join(_named(char) for char in dict.fromkeys(name) if _is_unseen(char, beside))


def _is_unseen(char: str, beside: str | None) -> bool:
    if char.isascii():
        return not char.isprintable()
    if beside is not None and char not in beside and ord(char) in _LOOKALIKES:
        return True
    from unicodedata import combining

    return not char.isprintable() or bool(combining(char))


def _is_shown(char: str) -> bool:
    return char.isprintable() or char.isspace()


def _escaped(char: str) -> str:
    if char in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _named(char: str) -> str:
    from unicodedata import name

    # The standard's name of U+FEFF says what it was before it was the mark that begins files.
    called = "byte order mark" if char == "\ufeff" else name(char, "control character").lower()
    return f"U+{ord(char):04X} {called}"
