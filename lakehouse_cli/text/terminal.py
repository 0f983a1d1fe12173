"""Text for terminals and logs: styles, columns that line up, sizes and times for people.

Static output goes through here and not through rich, whose import takes as long as a whole `lakehouse ls`.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TextIO

from msgspec import Struct

from lakehouse_cli.text.counts import count_text, plural

_SGR = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
    "error": "1;31",
}
_SHORTEST_NAME = 12
#: Before what continues a text in another line.
HANGING = "  "
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ASCII = str.maketrans(
    {"✓": "+", "✗": "x", "○": "o", "·": "-", "…": "~", "→": ">", "←": "<", "×": "x", "│": "|", "▸": ">"}
)


# A command on the project, in a text.
_COMMAND = r"`lakehouse (?=[a-z])(?!init\b|schema\b|[^`]*--help)"


class Terminal(Struct, frozen=True):
    """What a stream can show.

    Attributes:
        color: Whether styles are wanted.
        width: Columns, None where lines are not cut (a file, a pipe, a log).
        height: Lines of the screen.
        unicode: Whether the stream's encoding holds the marks.
        interactive: Whether it is a terminal on which lines can be redrawn.
        command: How the command line begins that reaches the project, in the place of ``lakehouse`` alone.
    """

    color: bool = False
    width: int | None = None
    height: int = 24
    unicode: bool = True
    interactive: bool = False
    command: str = ""

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] | None = None) -> Terminal:
        """Look at a stream and the environment (``NO_COLOR``, ``FORCE_COLOR``, ``TERM``, ``COLUMNS``, ``LINES``)."""
        env = os.environ if environ is None else environ
        tty = stream.isatty()
        dumb = env.get("TERM") == "dumb"
        color = bool(env.get("FORCE_COLOR")) or (tty and not dumb)
        if env.get("NO_COLOR"):
            color = False
        width, height = screen_size(stream)
        return cls(color, width if tty else None, height, holds_marks(stream), tty and not dumb)

    def style(self, text: str, style: str | None) -> str:
        """The text in a style: ``bold``, ``dim``, ``red``, ``green``, ``yellow``, ``cyan``, ``error``."""
        if not self.color or not style or not text:
            return text
        return f"\x1b[{_SGR[style]}m{text}\x1b[0m"

    def fit(self, text: str) -> str:
        """The text in characters that the stream has."""
        return text if self.unicode else _in_ascii(text)

    def cut(self, text: str, width: int | None) -> str:
        """The text in at most so many columns, an ellipsis where something was left out."""
        if width is None or text_width(text) <= width:
            return text
        return beginning(text, width - 1).rstrip() + "…" if width > 0 else ""

    def cut_apart(self, texts: Sequence[str], width: int) -> list[str]:
        """Texts that stand side by side, each in at most so many columns.

        Those that would look the same though they are not begin shortly before where they first differ.
        """
        shorts = [self.cut(text, width) for text in texts]
        alike: dict[str, set[str]] = {}
        for text, short in zip(texts, shorts, strict=True):
            alike.setdefault(short, set()).add(text)
        starts = {short: _before_difference(whole, width // 2) for short, whole in alike.items() if len(whole) > 1}
        return [
            f"…{self.cut(text[starts[short] :], width - 1)}" if short in starts else short
            for text, short in zip(texts, shorts, strict=True)
        ]

    def advice(self, text: str) -> str:
        """The text, with commands that reach the project from where this one was called."""
        return re.sub(_COMMAND, f"`{self.command} ", text) if self.command and "`lakehouse " in text else text

    def wrap(self, text: str, hanging: str = "") -> str:
        """The text broken between words, and between wide characters, where it is wider than the screen.

        Args:
            text: Of one line.
            hanging: Stands before each line but the first, after what the text itself is indented by.
        """
        text = self.advice(text)
        if self.width is None or text_width(text) <= self.width:
            return text
        words = text.lstrip(" ")
        indent = " " * (len(text) - len(words))
        lines = _filled(_units(words), self.width - len(indent), hanging)
        return "\n".join(indent + line for line in lines)

    def title(self, name: str, text: str) -> str:
        """A name, cut where it is wider than the screen, and what is said of it, in as many lines as that takes."""
        cut = name if self.width is None else self.cut_middle(name, self.width - len(" ·"))
        return self.wrap(f"{self.style(cut, 'bold')} · {text}")

    def cut_middle(self, text: str, width: int) -> str:
        """A name in at most so many columns; its ends, which distinguish names, are kept."""
        if text_width(text) <= width:
            return text
        tail = (width - 1) // 2
        return f"{beginning(text, width - 1 - tail)}…{beginning(text[::-1], tail)[::-1]}"


def holds_marks(stream: TextIO) -> bool:
    """Whether a stream's encoding holds the marks."""
    encoding: str = getattr(stream, "encoding", None) or "ascii"
    return encoding.lower().replace("-", "").startswith("utf")


def fitted(text: str, stream: TextIO) -> str:
    """The text in characters that a stream has; asks nothing of the system, as `Terminal.of` does."""
    return text if holds_marks(stream) else _in_ascii(text)


def _in_ascii(text: str) -> str:
    return text.translate(_ASCII).encode("ascii", "replace").decode()


def screen_size(stream: TextIO) -> tuple[int, int]:
    """Columns and lines of the screen that a stream goes to; stdout itself may be redirected meanwhile."""
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns = lines = 0
    return shutil.get_terminal_size((columns or 80, lines or 24))


def beginning(text: str, width: int) -> str:
    """As much of a text's beginning as so many columns hold."""
    kept = ""
    for character in text:
        if text_width(kept + character) > width:
            break
        kept += character
    return kept


def _before_difference(texts: Iterable[str], room: int) -> int:
    """Where to begin, so that no more than so many columns come before the first difference of several texts."""
    # Whatever begins both of these begins all that lies between them.
    one, other = min(texts), max(texts)
    differs = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    start = differs
    while start > 0 and text_width(one[start - 1 : differs]) <= room:
        start -= 1
    return start


def folded(text: str, width: int) -> list[str]:
    """A text as the lines of a column so wide: one where it fits, else what ``; `` divides begins lines of its own.

    Lines are broken between words and between wide characters, within a word only where it is wider than the column;
    what continues a line is indented, where that leaves room for the word.
    """
    if text_width(text) <= width:
        return [text]
    indent = HANGING if width > 2 * len(HANGING) else ""
    room = max(width - len(indent), 1)
    lines = []
    for part in text.split("; "):
        words: list[tuple[str, str]] = []
        for between, unit in _units(part):
            first, *more = (unit,) if text_width(unit) <= width else _pieces(unit, room)
            words += [(between, first), *(("", piece) for piece in more)]
        lines += _filled(words, width, indent)
    return lines


def _units(text: str) -> Iterator[tuple[str, str]]:
    """What a text is broken between, each with what stands before it: its words, and the wide characters of these.

    What stands in backticks is not broken.
    """
    for word in text.split(" "):
        between, unit, quoted = " ", "", False
        for character in word if not word.isascii() else ():
            if unit and not quoted and _is_break(unit[-1], character):
                yield between, unit
                between, unit = "", ""
            unit += character
            quoted ^= character == "`"
        yield between, unit or word


def _is_break(before: str, after: str) -> bool:
    """Whether a line may end between two characters of a word: beside a wide one that punctuation does not hold."""
    return (
        (_is_wide(before) or _is_wide(after))
        and unicodedata.category(before) not in ("Ps", "Pi")
        and unicodedata.category(after) not in ("Pe", "Pf", "Po", "Lm", "Mn")
    )


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _filled(words: Iterable[tuple[str, str]], width: int, indent: str = "") -> list[str]:
    """Lines of words, each with what stands before it, as long as there is room for.

    All but the first are indented, except where a word has no room then.
    """
    lines = [""]
    for between, word in words:
        begun = f"{lines[-1]}{between}{word}" if lines[-1] else word
        if lines[-1] and text_width(begun) > width:
            lines.append(indent + word if text_width(indent + word) <= width else word)
        else:
            lines[-1] = begun
    return lines


def _pieces(word: str, width: int) -> Iterator[str]:
    """A word, in pieces no wider than that."""
    if text_width(word) <= width:
        yield word
        return
    piece = ""
    for character in word:
        if piece and text_width(piece + character) > width:
            # Names and paths are broken between their parts, if those are not too long.
            end = max(piece.rfind(between) for between in "_/.") + 1
            end = end if end > len(piece) // 2 else len(piece)
            yield piece[:end]
            piece = piece[end:]
        piece += character
    yield piece


def note_lines(terminal: Terminal, notes: Iterable[str], limit: int = 5) -> Iterator[str]:
    """Notes for people, each once, so many of them and how many there are besides."""
    shown = list(dict.fromkeys(notes))
    for note in shown[:limit]:
        yield terminal.fit(terminal.wrap(f"{terminal.style('note:', 'bold')} {printable(note)}", HANGING))
    if len(shown) > limit:
        yield f"and {plural(len(shown) - limit, 'note')} more; `-o json` has them all"


def table_notes(table: str, notes: Iterable[str]) -> Iterator[str]:
    """The notes on a table, each naming it."""
    for note in notes:
        yield note if f"`{table}`" in note else f"`{table}`: {note}"


def printable(text: str) -> str:
    """The text with what would move the cursor, ring or recolour the terminal made visible.

    So is all that turns the direction of writing, or joins characters: what is read is what is there. Terminals do not
    agree either on how wide emoji are that are joined.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def value_text(value: Any) -> str:
    """A value of a table, as JSON has it: a text as it is, but in quotes where it would look like something else.

    >>> [value_text(value) for value in ("plain", "null", None, "", " x", [1, None, "null"])]
    ['plain', '"null"', 'null', '""', '" x"', '[1, null, "null"]']
    """
    quoted = isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"'
    if isinstance(value, str) and value not in ("", "null") and value == value.strip() and not quoted:
        return printable(value)
    import json  # most of what is shown needs none

    return printable(json.dumps(value, ensure_ascii=False))


def text_width(text: str) -> int:
    """Columns a text takes on a terminal, styles not counted."""
    if text.isascii():
        return len(_ANSI.sub("", text)) if "\x1b" in text else len(text)
    plain = _ANSI.sub("", text)
    return sum(0 if unicodedata.combining(c) else 2 if _is_wide(c) else 1 for c in plain)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text filled up with spaces to so many columns; right-aligned if asked."""
    space = " " * max(width - text_width(text), 0)
    return space + text if right else text + space


def share_of(room: int) -> int:
    """How many of the columns that names and folded text have in common are the text's, if it needs them."""
    return room * 3 // 5


def names_width(longest: int, room: int, text: int) -> int:
    """Columns for names, where they and a text beside them have so many.

    Args:
        longest: Width of the longest name.
        room: For both.
        text: What the text should have of it.
    """
    return min(longest, max(room - text, _SHORTEST_NAME))


def size_text(size: int | None) -> str:
    """Bytes for people, in decimal units: ``1.9 kB``."""
    if size is None:
        return ""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{int(value)} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        if unit == "GB":
            return f"{count_text(round(value))} {unit}"
        value /= 1000
    raise AssertionError


def time_text(seconds: float | None) -> str:
    """Seconds for people: ``0.04 s``, ``12.3 s``, ``4 min 05 s``."""
    if seconds is None:
        return ""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def age_text(seconds: float) -> str:
    """How long ago, in its largest unit, rounded down: ``7 h``, ``3 days``."""
    for size, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = int(seconds // size)
            return plural(count, unit) if unit == "day" else f"{count} {unit}"
    return f"{int(seconds)} s"


def moment_text(at: str, precision: str = "minutes") -> str:
    """A moment for people, where they are: ``2026-11-21 18:04``; what is no ISO 8601 as it is."""
    try:
        return datetime.fromisoformat(at).astimezone().replace(tzinfo=None).isoformat(" ", precision)
    except (ValueError, OverflowError):
        return at


def moments_apart(one: str, other: str) -> tuple[str, str]:
    """Two moments for people, to the second or its thousandth where they are in one minute or one second."""
    texts = one, other
    for precision in ("minutes", "seconds", "milliseconds"):
        texts = moment_text(one, precision), moment_text(other, precision)
        if texts[0] != texts[1]:
            break
    return texts
