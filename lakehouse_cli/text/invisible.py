"""Characters of names that a reader cannot see: no-break and zero-width spaces, byte order marks, combining marks."""

from __future__ import annotations

_NAMED_ESCAPES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def visible(name: str) -> str:
    r"""Return the name with what cannot be seen in it as escapes, which Python and quotes in YAML read alike.

    >>> visible("a\u200b"), visible("u\u0308ber"), visible("über")
    ('a\\u200b', 'u\\u0308ber', 'über')
    """
    if name.isascii() and name.isprintable():
        return name
    return "".join(_escaped(char) if _is_unseen(char) else char for char in name)


def same_to_the_eye(name: str) -> str:
    """Return the name as a reader sees it: composed, without characters that cannot be seen, blanks around cut off."""
    if name.isascii() and name.isprintable():
        return name.strip()
    from unicodedata import normalize  # only needed here

    return "".join(" " if char.isspace() else char for char in normalize("NFC", name) if _is_shown(char)).strip()


def unseen_characters(name: str) -> str:
    r"""Name the characters of a name that cannot be seen, each once.

    >>> unseen_characters("a\u200bb\xa0")
    'U+200B zero width space, U+00A0 no-break space'
    """
    return ", ".join(_named(char) for char in dict.fromkeys(name) if _is_unseen(char))


def _is_unseen(char: str) -> bool:
    if char.isascii():
        return not char.isprintable()
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
