"""What a user names to `init --from-data`: files and databases, each with the format that reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.config.paths import path_problem
from lakehouse_cli.errors import LakehouseError, Location, Problem
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.compression import plain_pieces
from lakehouse_cli.formats.spec import TEXT_COMPRESSIONS
from lakehouse_cli.inference.description import InferredTable
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.text.close_names import did_you_mean

_ENDINGS = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".psv"), "csv"),
    **dict.fromkeys((".parquet", ".pq", ".parq"), "parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "ipc"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".json": "json",
    **dict.fromkeys((".xlsx", ".xlsm", ".xltx", ".xltm"), "excel"),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), "sqlite"),
    **dict.fromkeys((".duckdb", ".ddb"), "duckdb"),
}
_SUFFIX = re.compile(r"\.[A-Za-z0-9_.]+")
_DATABASES = ("sqlite", "duckdb", "postgresql")
_URL = re.compile(r"(postgres(?:ql)?)://(?:([^:@/?]*)(?::([^/?]*))?@)?(.*)", re.DOTALL)
_SECRET = re.compile(r"(?i)(password|passfile|sslpassword)=[^&]*")
#: Is told of what is read: its name, bytes since the last call, and bytes in all.
Progress = Callable[[str, int, int], None]


class Source(Struct, frozen=True):
    """A file or database.

    Attributes:
        shown: As the user named it; no URL's password.
        format: Of `FORMATS`, or the type of storage of a database.
        file: None for a URL.
        root: Of a database: what a connection takes, perhaps with a password. Never shown.
        written: Of a database by its URL: the root that the project file has.
        stem: Of a file the path without the ending that the format adds.
        options: Of the format, by the ending.
        folder: Where it was not named by itself, that which was.
    """

    shown: str
    format: str
    file: Path | None = None
    root: str = ""
    written: str = ""
    stem: str = ""
    options: dict[str, Any] = {}
    folder: str = ""

    @property
    def is_database(self) -> bool:
        """Whether it has tables of its own."""
        return self.format in _DATABASES


class FoundTable(Struct, frozen=True):
    """A table of a source: its name there, empty for a file that is one, and what was found out about it."""

    source: Source
    path: str
    table: InferredTable


def find_sources(named: Sequence[str]) -> tuple[list[Source], list[Problem]]:
    """Return what was named, each file once, and what cannot be read."""
    sources: list[Source] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for found in (one for each in named for one in _sources(each)):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        identity = os.path.realpath(found.file) if found.file is not None else found.root
        if identity not in seen:
            seen.add(identity)
            sources.append(found)
    return sources, problems


def _sources(named: str) -> Iterator[Source | Problem]:
    """What a name means: of a folder, the data files in it."""
    if "://" in named or not os.path.isdir(named):  # a name of any length
        yield _source(named)
        return
    entries = sorted((each for each in os.scandir(named) if each.name[0] not in "._"), key=lambda each: each.name)
    files = [each.path for each in entries if each.is_file() and _may_be_data(each.path)]
    if not files:
        below = next((f"`{each.path}`" for each in entries if each.is_dir()), None)
        hint = f"name the files, or the folder that they are in{f', such as {below}' if below else ''}"
        yield Problem(f"there is no data file in folder `{named}`", hint)
    for file in files:
        found = _source(file)
        yield found if isinstance(found, Problem) else replace(found, folder=named)


def _may_be_data(file: str) -> bool:
    stem, ending = os.path.splitext(file.lower())
    if ending in TEXT_COMPRESSIONS.values():
        ending = os.path.splitext(stem)[1]
    return ending in _ENDINGS


def _source(named: str) -> Source | Problem:
    if (url := _URL.fullmatch(named)) is not None:
        return _server(url)
    if "://" in named:
        return Problem(f"`{named.partition('://')[0]}://…` is not read here", "name local files, or a PostgreSQL URL")
    file = Path(named)
    if not file.exists():
        beside = sorted(each.name for each in file.parent.iterdir()) if file.parent.is_dir() else []
        return Problem(
            f"there is no file `{named}`",
            did_you_mean(file.name, beside)
            or "the files are relative to this folder; the project's own is named by `-C`",
        )
    if not file.is_file():
        return Problem(f"`{named}` is no regular file", "name a file")
    return _file(named, file)


def _server(url: re.Match[str]) -> Source | Problem:
    """A PostgreSQL server, whose password the project file has as a variable."""
    if "@" in url[4]:  # what is behind a `/` of the password would be shown
        return Problem(
            "the password in the PostgreSQL URL has a `/` or `?` that is not encoded",
            "write `/` as `%2F`, and `?` as `%3F`",
        )
    user, rest = url[2], _SECRET.sub(r"\1=${PGPASSWORD}", url[4])
    account = "" if user is None else f"{user}:${{PGPASSWORD}}@" if url[3] is not None else f"{user}@"
    written = f"postgresql://{account}{rest}"
    shown = f"postgresql://{f'{user}@' if user else ''}{rest.partition('?')[0]}"
    return Source(shown, "postgresql", None, url[0], written)


def _file(named: str, file: Path) -> Source | Problem:
    if "${" in str(file.absolute().parent):
        return Problem(
            f"`{named}` is in a folder with `${{` in its name, which stands for a variable", "rename the folder"
        )
    name = file.name
    packed = next((end for end in TEXT_COMPRESSIONS.values() if name.lower().endswith(end) and name.lower() != end), "")
    bare = name[: len(name) - len(packed)]
    stem, ending = os.path.splitext(bare)
    kind = _by_content(file) or _ENDINGS.get(ending.lower())
    if kind is None:
        known = ", ".join(each for each in _ENDINGS if each not in (".tab", ".dat", ".data", ".psv", ".xltx", ".xltm"))
        return Problem(f"no format reads `{named}` by its ending", f"rename it, or save it as one of: {known}")
    if kind in ("sqlite", "duckdb"):
        return Source(named, kind, file, str(file.absolute()))
    if packed and FORMATS[kind].compressions is None:
        return Problem(f"`{named}` is packed", "unpack it")
    options: dict[str, Any] = {}
    if packed and name[-len(packed) :] != packed:  # in capitals
        stem, ending = bare, name[-len(packed) :]
    if ending != FORMATS[kind].suffix:
        if not _SUFFIX.fullmatch(ending) or ending.lower() in (".py", ".yml", ".yaml"):
            return Problem(
                f"`{named}` has no ending that a format may have", f"rename it to `{name}{FORMATS[kind].suffix}`"
            )
        options["suffix"] = ending
    wrong = path_problem(stem)
    if wrong is not None or not stem:
        return Problem(f"`{named}` {wrong[0] if wrong else 'has no name before its ending'}", "rename it")
    if any(
        os.path.lexists(file.with_name(bare + end)) for end in ("", *TEXT_COMPRESSIONS.values()) if bare + end != name
    ):
        # Of several files one name stands for, that which is meant.
        options["compression"] = next((each for each, end in TEXT_COMPRESSIONS.items() if end == packed), "none")
    return Source(named, kind, file, stem=stem, options=options)


def _by_content(file: Path) -> str | None:
    """The format that the first bytes show, whatever the ending."""
    try:
        with file.open("rb") as opened:
            start = opened.read(16)
            opened.seek(0)
            if any(each in (".json", ".jsonl", ".ndjson") for each in file.suffixes[-2:]):
                line = next(plain_pieces(opened, str(file), None), b"").removeprefix(b"\xef\xbb\xbf").lstrip()
                is_record = line.startswith(b"{") and line.partition(b"\n")[0].rstrip().endswith(b"}")
                return "jsonl" if is_record else "json" if line.startswith(b"[") else None
    except (OSError, LakehouseError):
        return None
    if start.startswith(b"SQLite format 3\0"):
        return "sqlite"
    if start[8:12] == b"DUCK":
        return "duckdb"
    return "parquet" if start.startswith(b"PAR1") else "ipc" if start.startswith(b"ARROW1") else None


def read_source(source: Source, progress: Progress) -> Iterator[FoundTable | Problem]:
    """Read a source to its end, and describe each of its tables; or what is wrong with it."""
    try:
        yield from _read(source, progress)
    except LakehouseError as error:
        yield _problem(error, source)
    except OSError as error:
        yield Problem(f"`{source.shown}` cannot be read: {error.strerror or error}", "check its permissions")


def _read(source: Source, progress: Progress) -> Iterator[FoundTable | Problem]:
    if source.is_database:
        from lakehouse_cli.inference.database import infer_database

        for path, found in infer_database(source.format, source.root, source.shown):
            yield FoundTable(source, path, found)
        return
    assert source.file is not None  # noqa: S101  # only databases have none
    file = source.file
    size = file.stat().st_size

    def opened() -> BinaryIO:
        return file.open("rb")

    if source.format == "excel":
        infer_workbook = load(Entry("lakehouse_cli.inference.workbook:infer_workbook", FORMATS["excel"].install))
        for title, table in infer_workbook(opened, source.shown):
            yield FoundTable(source, title, table)
    elif source.format == "csv":
        from lakehouse_cli.inference.csv_file import infer_csv

        yield FoundTable(source, "", infer_csv(opened, source.shown, lambda done: progress(source.shown, done, size)))
    else:
        from lakehouse_cli.inference.typed_file import infer_typed

        yield FoundTable(source, "", infer_typed(opened, source.shown, source.format, source.options))


def _problem(error: LakehouseError, source: Source) -> Problem:
    return Problem(error.message, error.hint or "correct it, or leave it out", error.location or Location(source.shown))
