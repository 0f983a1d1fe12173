"""Paths of sources that are many files: patterns, folders, and placeholders that say something of each file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from functools import cached_property, lru_cache
from urllib.parse import unquote

from msgspec import Struct

from lakehouse_cli.model.contract import Column
from lakehouse_cli.model.dimension import Every
from lakehouse_cli.model.partition import HIVE_NULL
from lakehouse_cli.model.period import period_at, period_key
from lakehouse_cli.model.project import Table

# Compiled by `re` where they are first used: most projects have no such paths.
# A date may be written in several folders: `{day:%Y/%m/%d}`.
_MARKS = r"\*\*|\*|\?|\{([^{}/:]*(?::[^{}]*)?)\}"
_SIDE_BY_SIDE = r"(?=(\{[^{}/:]*\}\*|\*\{[^{}/:]*\}|\{[^{}/:]*\}\{[^{}/:]*\}))"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# Place among those of a `datetime`, and number of digits.
_NUMBERS = {"%Y": (0, 4), "%m": (1, 2), "%d": (2, 2), "%H": (3, 2), "%M": (4, 2), "%S": (5, 2)}
# In which a period is written as its key is.
_KEY_FORMATS: dict[Every, str] = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}
_FOUR_DIGITS = 1000
_CODES = r"%(.)|([^%]+)"
_DIGITS = {
    **dict.fromkeys("mdHIMSyUWV", "[0-9]{2}"),
    **dict.fromkeys("YG", "[0-9]{4}"),
    **dict.fromkeys("uw", "[0-9]"),
    "j": "[0-9]{3}",
    "f": "[0-9]{1,6}",
    "%": "%",
}


class PatternError(ValueError):
    """A path is no pattern that can be matched; the message says why, `hint` what to do.

    Attributes:
        hint: What to write in its place.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Placeholder(Struct, frozen=True):
    """A part of the names of files that is a value.

    Attributes:
        name: Of the dimension.
        format: The strptime format by which it is a date or a time; None for text.
    """

    name: str
    format: str | None = None

    @property
    def every(self) -> Every | None:
        """The periods that its values are or lie in; None where they are texts, or say no year."""
        return None if self.format is None else _every(self.format)

    def partition_value(self, text: str) -> str:
        """The value of a partition that a part of a name is, as `FilePattern.match` has it: the key of its period.

        Raises:
            PatternError: It is not of the placeholder's format.
        """
        every = self.every
        if every is None or _KEY_FORMATS.get(every) == self.format:
            return text
        return period_key(period_at(parse_moment(text, self), every), every)


class FilePattern(Struct, frozen=True, dict=True):
    """Which files below the root of a storage are one source.

    Attributes:
        path: As it is written: with `*`, `**`, `?`, `{name}` or `{name:%Y-%m}`, or a folder, which ends in `/`.
    """

    path: str

    @property
    def is_folder(self) -> bool:
        """Whether it means all files in a folder, whatever their names and depth."""
        return self.path.endswith("/")

    @cached_property
    def folder(self) -> str:
        """The folder that all of its files are in, without the slash; empty for the root."""
        if self.is_folder:
            return self.path.rstrip("/")
        mark = re.search(_MARKS, self.path)
        return self.path[: mark.start() if mark else None].rpartition("/")[0]

    @cached_property
    def depth(self) -> int | None:
        """How many folders below that its files are; None for any number."""
        if self.is_folder or "**" in self.path:
            return None
        return self.path.removeprefix(self.folder).strip("/").count("/")

    @cached_property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """Each once, in the order of the path."""
        found: dict[str, Placeholder] = {}
        for match in re.finditer(_MARKS, self.path):
            if match.group(1) is not None:
                name, colon, form = match.group(1).partition(":")
                found.setdefault(name, Placeholder(name, form if colon else None))
        return tuple(found.values())

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        """With as little in each placeholder as can be, and dates of their formats."""
        return self._compiled()

    @cached_property
    def _greedy(self) -> re.Pattern[str] | None:
        """With as much in each placeholder as can be; None where that is the same."""
        folders = re.sub(r"\{[^{}]*\}", "{}", self.path).split("/")
        marks = [[m for m in re.finditer(_MARKS, part) if m.group() != "?"] for part in folders]
        is_sure = "**" not in self.path and all(len(each) < 2 for each in marks)
        return None if is_sure or not self._names else self._compiled(greedy=True)

    @cached_property
    def _loose(self) -> re.Pattern[str]:
        """With dates that may be none, and values that may be empty: such files are reported, not left out."""
        return self._compiled(exact=False)

    def _compiled(self, *, greedy: bool = False, exact: bool = True) -> re.Pattern[str]:
        parts, at, groups = [], 0, 0
        least = "?" if greedy else ""  # what is in no placeholder takes what these leave
        for match in re.finditer(_MARKS, self.path):
            parts.append(re.escape(self.path[at : match.start()]))
            at = match.end()
            begins = match.start() == 0 or self.path[match.start() - 1] == "/"
            # As in a shell: what begins with a dot is hidden, and must be named with it.
            visible = r"(?!\.)" if begins else ""
            if match.group() == "**":
                slash = begins and self.path[at : at + 1] == "/"
                within = rf"{visible}[^/]*{least}(?:/(?!\.)[^/]+)*{least}"
                parts.append(rf"(?:(?!\.)[^/]+/)*{least}" if slash else within)
                at += slash
            elif match.group() == "*":
                parts.append(rf"{visible}[^/]*{least}")
            elif match.group() == "?":
                parts.append(rf"{visible}[^/]")
            else:
                form = match.group(1).partition(":")[2]
                text = f"[^/]{'+' if exact else '*'}{'' if greedy else '?'}"
                value = _form_expression(form) if form and exact else r"/(?!\.)".join([text] * (form.count("/") + 1))
                parts.append(rf"{visible}(?P<_{groups}>{value})")
                groups += 1
        return re.compile("".join((*parts, re.escape(self.path[at:]))), re.DOTALL)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """The name of each placeholder, as often as it stands there."""
        return tuple(m.group(1).partition(":")[0] for m in re.finditer(_MARKS, self.path) if m.group(1) is not None)

    @cached_property
    def _of_hive(self) -> frozenset[int]:
        """Which of these are in a folder with a name, as in `region={region}/`, whose value Hive encodes."""
        found = enumerate(m for m in re.finditer(_MARKS, self.path) if m.group(1) is not None)
        around = ((number, self.path[: m.start()].rpartition("/")[2], self.path[m.end() :]) for number, m in found)
        return frozenset(n for n, begin, rest in around if re.match(r"[^*?{}=]+=", begin) and "/" in rest)

    def match(self, path: str) -> dict[str, str | None] | None:
        """Return what the path of a file says of it, by dimension; None where it is not one of these files.

        Args:
            path: Under the root, `/`-separated, without the ending of its format.

        Raises:
            PatternError: A placeholder has no value, or two, or may have, or one that its format does not parse.
        """
        if self.is_folder:
            within = path.removeprefix(self.path) if path.startswith(self.path) else ""
            parts = within.split("/")
            if not within or any(part[:1] in ("", "_", ".") for part in parts):
                return None
            return _hive_values(parts[:-1])
        found = self._expression.fullmatch(path) or self._loose.fullmatch(path)
        if found is None:
            return None
        if self._greedy is not None and (other := self._greedy.fullmatch(path)) is not None:
            self._refuse_two(found, other)
        values: dict[str, str | None] = {}
        for number, name in enumerate(self._names):
            value: str | None = found.group(f"_{number}")
            if not value:
                raise PatternError(f"`{{{name}}}` is empty there", "rename the file, or move it away")
            if number in self._of_hive:
                value = None if value == HIVE_NULL else _decoded(value, value)
            if values.setdefault(name, value) != value:
                hint = "write the placeholder once, and `*` in the other place"
                raise PatternError(f"`{{{name}}}` is {values[name]!r} and {value!r} there", hint)
        for each in self.placeholders:
            text = values[each.name]
            if each.format is not None and text is not None:
                parse_moment(text, each)
        return values

    def _refuse_two(self, one: re.Match[str], other: re.Match[str]) -> None:
        """Refuse a value that could be another: a guess would be a wrong value without a word."""
        for name, first, second in zip(self._names, one.groups(), other.groups(), strict=True):
            if first != second:
                raise PatternError(
                    f"`{{{name}}}` may be {first!r} and {second!r} there",
                    "write more of the names into the pattern, such as the format of a date",
                )


def _form_expression(form: str) -> str:
    """What a date or time of a strptime format looks like, as far as its width is known."""
    parts = [_DIGITS.get(code, "[^/]+?") if code else re.escape(text) for code, text in re.findall(_CODES, form)]
    return "".join(parts)


def _hive_values(folders: list[str]) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for folder in folders:
        name, equals, value = folder.partition("=")
        if not equals:
            continue
        name = _decoded(name, folder)
        if name in values:
            raise PatternError(f"`{name}=` is there twice", "move the file, or rename one of the folders")
        values[name] = None if value == HIVE_NULL else _decoded(value, folder)
    return values


def _decoded(text: str, shown: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise PatternError(f"`{shown}` is not UTF-8", "rename the folder") from None


@lru_cache(maxsize=256)
def _every(form: str) -> Every | None:
    if not says_year(form):
        return None
    if _has(form, "HIMSfXc"):
        return "hour"
    if _has(form, "djxuwaA"):
        return "day"
    return "month" if _has(form, "mbB") else "year"


@lru_cache(maxsize=256)
def _digits(form: str) -> tuple[re.Pattern[str], tuple[int, ...]] | None:
    """What a text of a format is that has a year, and no part but numbers of as many digits each time, and which.

    None for any other format.
    """
    places: list[int] = []
    parts = []
    for part in re.split("(%.)", form):
        place, count = _NUMBERS.get(part, (None, 0))
        if place is None and part.startswith("%"):
            return None
        places += [] if place is None else [place]
        parts.append(re.escape(part) if place is None else f"([0-9]{{{count}}})")
    return (re.compile("".join(parts)), tuple(places)) if 0 in places and len(places) == len({*places}) else None


def _moment_of_digits(text: str, form: str) -> datetime | None:
    """As `datetime.strptime`, a tenth as long, of what is most common; None where that is to be asked."""
    digits = _digits(form)
    found = None if digits is None else digits[0].fullmatch(text)
    if digits is None or found is None:
        return None
    numbers = [0, 1, 1, 0, 0, 0]
    for place, number in zip(digits[1], found.groups(), strict=True):
        numbers[place] = int(number)
    if numbers[0] < _FOUR_DIGITS:  # which is written otherwise
        return None
    year, month, day, hour, minute, second = numbers
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def parse_moment(text: str, placeholder: Placeholder) -> datetime:
    """Return the time that a part of a name is.

    Raises:
        PatternError: It is not of the placeholder's format.
    """
    assert placeholder.format is not None  # noqa: S101  # asked for with one alone
    form, year = placeholder.format, ""
    quick = _moment_of_digits(text, form)
    if quick is not None:
        return quick
    if not says_year(form):  # 29 February is a day of some years
        form, year = f"%Y {form}", "2000 "
    try:
        found = datetime.strptime(year + text, form)  # a date, or a wall clock
        if "%f" in form or found.strftime(form) == year + text:
            return found
    except (ValueError, re.error):  # the latter where a part is there twice
        pass
    raise PatternError(
        f"{text!r} is not as `{{{placeholder.name}:{placeholder.format}}}` says",
        "rename the file, move it away, or correct the placeholder",
    )


def _has(form: str, letters: str) -> bool:
    return any(f"%{letter}" in form for letter in letters)


def says_year(form: str) -> bool:
    """Whether a strptime format has the year of a date."""
    return any(part in form for part in ("%Y", "%y", "%G", "%c", "%x"))


def notes_on_years(path: str, dimensions: Collection[str]) -> Iterator[str]:
    """Yield what to say of dimensions that look like days or months and are texts, as the path says no year of them.

    Args:
        path: Of a source.
        dimensions: By which a table is computed: where all of several that the path has are, together they say the day.
    """
    found = FilePattern(path).placeholders
    if len(found) > 1 and {each.name for each in found} <= {*dimensions}:
        return
    for each in found:
        form = each.format or ""
        if each.name not in dimensions or says_year(form) or not _has(form, "djmbB"):
            continue
        above = {"%d": (2, "%Y/%m/%d"), "%m": (1, "%Y/%m")}.get(form)
        folders = above and re.search(rf"(?:\{{[^{{}}/]*\}}/){{{above[0]}}}\{{{each.name}:{form}\}}", path)
        sample = datetime(2001, 1, 2).strftime(form)
        way = f"`{{{each.name}:%Y-%m-%d}}`, or over folders `{{{each.name}:%Y/%m/%d}}`, says one"
        if above and folders:
            way = f'write `path: "{path.replace(folders[0], f"{{{each.name}:{above[1]}}}")}"`'
        text = f"`{each.name}` is a text such as `{sample}`, and no date"
        yield f"{text}, as `{{{each.name}:{form}}}` says no year: {way}"


def is_pattern(path: str) -> bool:
    """Whether a path means many files."""
    return path.endswith("/") or any(mark in path for mark in "*?{}")


@lru_cache(maxsize=4096)
def file_pattern(path: str) -> FilePattern | None:
    """The pattern that a path is; None where it is the path of one file."""
    return FilePattern(path) if is_pattern(path) else None


def reads_many_files(table: Table) -> bool:
    """Whether the files of a source are looked for: its path is a pattern, or a file may lack columns of it."""
    if table.kind != "source" or not table.format:
        return False
    return file_pattern(table.path) is not None or any(each.optional for each in table.columns or ())


def may_be_of_path(table: Table, column: Column) -> bool:
    """Whether a column of a source may be filled from the paths of its files; only these say it of `k=v` folders."""
    pattern, name = file_pattern(table.path), column.source_name
    if table.kind != "source" or pattern is None:
        return False
    if pattern.is_folder and isinstance(column.from_, str):
        return True
    return name == table.file_column or any(each.name == name for each in pattern.placeholders)


def pattern_problem(path: str) -> tuple[str, str] | None:
    """What is wrong with a path of many files, and what to do; None where nothing is."""
    rest = re.sub(_MARKS, "", path)
    if "{" in rest or "}" in rest:
        return "has a `{` or `}` without the other", "write placeholders as `{month}` or `{month:%Y-%m}`"
    names: dict[str, str] = {}
    for match in re.finditer(_MARKS, path):
        if match.group(1) is None:
            continue
        name, colon, form = match.group(1).partition(":")
        if "," in name or ".." in name:
            return (
                f"holds `{match.group()}`, which is a placeholder here and no list of names",
                "write `*`, or a placeholder such as `{region}`, or declare a source for each",
            )
        if not re.fullmatch(_NAME, name):
            return f"holds `{match.group()}`, which is no placeholder", "write it as `{month}` or `{month:%Y-%m}`"
        if colon and (wrong := _format_problem(form)):
            return f"has a placeholder `{match.group()}` {wrong}", "write it as in `{month:%Y-%m}`"
        if names.setdefault(name, form) != form:
            return f"has the placeholder `{name}` twice, with two formats", "write both alike"
    if found := re.search(_SIDE_BY_SIDE, path):
        return (
            f"holds `{found.group(1)}`, of which nothing says where the one ends and the other begins",
            "write what stands between the two in the names",
        )
    if path.endswith("/") and re.search(_MARKS, path):
        return (
            "is a folder, which ends in `/`, and a pattern",
            "name the folder above alone, or the files: `folder/{region}/*`",
        )
    return None


def _format_problem(form: str) -> str | None:
    if not form:
        return "without a format behind the colon"
    if "%" not in form:
        return f"whose format `{form}` has no part of a date"
    sample = datetime(2001, 12, 30, 13, 45, 56)
    text = sample.strftime(form)
    try:
        datetime.strptime(text, form)
        parse_moment(text, Placeholder("", form))
    except PatternError:
        return f"whose format `{form}` does not say which day or time is meant"
    except (ValueError, re.error):
        return f"whose format `{form}` strptime does not take"
    if "%I" in form and "%p" not in form:
        return f"whose format `{form}` has hours of half a day, `%I`, without `%p`"
    return None
