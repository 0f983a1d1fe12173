"""Shell completion: the words that may stand where the cursor is. Runs none of the user's code.

Names come from the project file as it is written now. What a Python module declares is known by the last runs alone.
A shell waits for the answer at each press of a key: what is kept of the tables is read, as far as it is needed here,
and nothing of the project is loaded but where its files have changed since.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from xxhash import xxh3_128_hexdigest

from lakehouse_cli.code.module_search import PROJECT_FILE

if TYPE_CHECKING:
    from lakehouse_cli.model import Table

# As `lakehouse_cli.model` has it, whose import would take a tenth of the time.
DEFAULT_ENVIRONMENT = "default"
# Characters of project files that are read anew in a twentieth of a second or so.
_LARGE = 16_000
# Runs of which the tables are looked up.
_RUNS = 5
_PREFIX = re.compile(r"\d*\+")
_LAST_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_NAMES = re.compile(r"[A-Za-z_]\w*")
# Where a section of a project file ends; a list may stand as far to the left as its key.
_SECTION_END = re.compile(r"\n(?![ \t#\n-])")
# The key of a section, and below it the first name, before which lines may have comments alone.
_FIRST_NAME = re.compile(r"\w+:[ \t]*(?:#.*)?(?:\n[ \t]*(?:#.*)?)*\n([ \t]+)[A-Za-z_]\w* *:")
_PATTERN = re.compile(r"[^\s,'\"\[\]-][^\s,'\"\[\]]*")
# Where bash splits words by default.
_BREAKS = frozenset(":=")


class KnownColumn(Struct, frozen=True):
    """Of a column that is kept, what can be completed."""

    name: str


class KnownContract(Struct, frozen=True):
    """Of a contract that is kept, the same."""

    columns: tuple[KnownColumn, ...] | None = None


class KnownTable(Struct, frozen=True):
    """Of a table that is kept, the same; defaults are those of `lakehouse_cli.model.Table`."""

    kind: str = "computed"
    storage: str = "default"
    serializer: str = ""
    tags: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    contract: KnownContract = KnownContract()


class KnownFile(Struct, frozen=True):
    """A file that declares tables, as it was when they were kept."""

    name: str
    digest: str


class KnownTables(Struct, frozen=True):
    """What is kept of the tables of a project; see `lakehouse_cli.config.tables_cache`."""

    files: tuple[KnownFile, ...]
    tables: dict[str, KnownTable]


def answer(command: Callable[..., Any], asked: str) -> int:
    """Print what a shell asks for; nothing where that is not known.

    Args:
        command: That of typer, which answers.
        asked: What the shell's script asks, such as ``complete_bash``; words come by other variables.
    """
    # Descriptions are plain text; to take styles out of them, typer would load rich, which takes longer than all else.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # how Python notes that a module is not to be found
    found, code, left_out = StringIO(), 0, 0
    try:
        if asked == "complete_bash":
            left_out = _join_words()
        with redirect_stdout(found):
            command(args=[], prog_name="lakehouse", standalone_mode=False)
    except SystemExit as end:  # by its code fish decides whether files are completed
        code = end.code if isinstance(end.code, int) else 0
    except Exception:  # noqa: BLE001  # whatever it is, it is not for the line that is being typed
        return 1
    sys.stdout.write("".join(f"{line[left_out:]}\n" for line in found.getvalue().strip().splitlines()))
    return code


def _join_words() -> int:
    """Join the words that bash divides at `:` and `=`.

    Returns:
        How many characters of each answer bash takes for words before the last one.
    """
    given, at = os.environ.get("COMP_WORDS", "").split("\n"), int(os.environ.get("COMP_CWORD", "0"))
    words: list[str] = []
    joins = False
    for word in [*given, ""][: at + 1]:
        is_break = bool(word) and set(word) <= _BREAKS
        if words[1:] and (joins or is_break):
            words[-1] += word
        else:
            words.append(word)
        joins = is_break
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join(words), str(len(words) - 1)
    if len(words) > at:
        return 0
    # Of an option, the answer is the value alone.
    last = words[-1].partition("=")[2] if words[-1].startswith("-") else words[-1]
    return max(map(last.rfind, _BREAKS)) + 1


def selection(ctx: Any, incomplete: str) -> list[str]:
    """Complete the last term of a selection."""
    before, comma, term = incomplete.rpartition(",")
    prefix = _PREFIX.match(term)
    before += comma + (prefix[0] if prefix else "")
    known = _tables(ctx)
    terms = [*dict.fromkeys(f"tag:{tag}" for table in known.values() for tag in table.tags)]
    terms += dict.fromkeys(f"storage:{table.storage}" for table in known.values())
    terms += ["kind:source", "kind:computed", "state:modified", "state:new", "state:failed"]
    return [f"{before}{each}" for each in (*known, *terms)]


def tables(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of a table, or of another asset."""
    del incomplete
    return [*_tables(ctx)]


def computed_tables(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of a computed table."""
    del incomplete
    return [name for name, table in _tables(ctx).items() if table.kind == "computed"]


def assets(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of an asset that is no table."""
    del incomplete
    return [name for name, table in _tables(ctx).items() if table.serializer]


def quarantines(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of a quarantine."""
    return [name for name in tables(ctx, incomplete) if name.endswith("__quarantine")]


def environments(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of an environment."""
    del incomplete
    named = () if _option(ctx, "module") else _names_in(_text(_file(ctx)), "environments")
    return [DEFAULT_ENVIRONMENT, *(named or _section(ctx, "environments"))]


def params(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of a param, with the value that it has in the file unless variables are filled in there."""
    del incomplete
    found = _section(ctx, "params")
    return [f"{name}={value if isinstance(value, str) and '${' not in value else ''}" for name, value in found.items()]


def dimensions(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of a dimension, which a value follows."""
    del incomplete
    used = (name for table in _tables(ctx).values() for name in table.partitions)
    return [f"{name}=" for name in dict.fromkeys((*_section(ctx, "dimensions"), *used))]


def query(ctx: Any, incomplete: str) -> list[str]:
    """Complete the last name in a query: a table, or a column of the tables that it names."""
    known, name = _tables(ctx), _LAST_NAME.search(incomplete)
    before = incomplete[: name.start()] if name is not None else incomplete
    named = [known[each] for each in dict.fromkeys(_NAMES.findall(before)) if each in known]
    columns = dict.fromkeys(column.name for table in named for column in table.contract.columns or ())
    return [f"{before}{each}" for each in (*columns, *known)]


def runs(ctx: Any, incomplete: str) -> list[str]:
    """Complete the id of a run."""
    del incomplete
    from lakehouse_cli.runs.history.files import run_files

    return ["last", *(path.stem for path in run_files(_folder(ctx)))]


def modules(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of a module in the project's folder."""
    del incomplete
    return sorted(path.stem for path in _folder(ctx).glob("*.py"))


def templates(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of a template of projects."""
    del ctx, incomplete
    from lakehouse_cli.scaffold import templates

    return [*templates()]


def executors(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of an executor."""
    del ctx, incomplete
    from lakehouse_cli.registry import EXECUTORS, installed

    return [*EXECUTORS, *installed("executors")]


def reporters(ctx: Any, incomplete: str) -> list[str]:
    """Complete the name of a reporter that a package brings."""
    del ctx, incomplete
    from lakehouse_cli.registry import installed

    return [*installed("reporters")]


def _option(ctx: Any, name: str) -> str | None:
    """The value of an option, given on either side of the command's name."""
    while ctx is not None:
        value: str | None = ctx.params.get(name)
        if value:
            return value
        ctx = ctx.parent
    return None


def _file(ctx: Any) -> Path:
    """Where the project's file is, or would be; without looking into it."""
    given = _option(ctx, "project_dir")
    folder = Path(given or ".").absolute()
    if folder.is_file():
        return folder
    places = [folder] if given or _option(ctx, "module") else [folder, *folder.parents]
    return next((each / PROJECT_FILE for each in places if (each / PROJECT_FILE).is_file()), folder / PROJECT_FILE)


def _folder(ctx: Any) -> Path:
    return _file(ctx).parent


def _text(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="utf-8")
    return ""


def _written(text: str, key: str) -> str:
    """A section of a project file: its key, and the lines up to the next one; empty where it is not there."""
    # Looked for as a plain text: a pattern that is tried at each line takes longer than all else of a large file.
    start = f"\n{text}".find(f"\n{key}:")
    if start < 0:
        return ""
    end = _SECTION_END.search(text, start)
    return text[start : end.start() if end is not None else None]


def _section(ctx: Any, key: str) -> Mapping[str, Any]:
    """A section of the project file, all values as texts; empty where it is not there, or only half written."""
    written = _written(_text(_file(ctx)), key)
    if not written or _option(ctx, "module") is not None:
        return {}
    import yaml

    with suppress(yaml.YAMLError):
        value = yaml.load(written, yaml.CBaseLoader)[key]  # noqa: S506  # makes texts alone
        return value if isinstance(value, dict) else {}
    return {}


def _tables(ctx: Any) -> Mapping[str, KnownTable | Table]:
    """All tables by name: those declared, and, where a module declares some, those of the last runs."""
    file, module = _file(ctx), _option(ctx, "module")
    found: dict[str, KnownTable | Table] = {}
    if module is not None or _written(_text(file), "assets"):
        found |= {name: KnownTable() for name in _names_of_runs(file.parent)}
    if module is None:
        found |= dict(_declared(file, _option(ctx, "env") or DEFAULT_ENVIRONMENT))
    return found


def _declared(file: Path, environment: str) -> Mapping[str, KnownTable | Table]:
    """The tables of a project file, and of those that it includes.

    Where these have changed since the tables were kept they are read anew, unless that would take too long; then names
    are taken from the lines, and the rest as it was.
    """
    kept = _kept(file.parent, environment)
    if kept is not None:
        digests = {each.name: each.digest for each in kept.files}
        texts = {name: _text(file.parent / name) for name in dict.fromkeys((file.name, *digests, *_included(file)))}
        if file.name not in digests and not _names_in(
            texts[file.name], "tables"
        ):  # it need not declare tables by itself
            digests[file.name] = _digest(texts[file.name])
        if all(_digest(text) == digests.get(name) for name, text in texts.items()):
            return kept.tables
        if sum(map(len, texts.values())) > _LARGE:
            return {
                name: kept.tables.get(name, KnownTable())
                for text in texts.values()
                for name in _names_in(text, "tables")
            }
    from lakehouse_cli.config import load_project

    loaded = load_project(file, os.environ, environment, given=None, imports=False)
    if loaded.reading is not None:
        loaded.reading.keep()
    if kept is not None and not loaded.readable:  # as it is while it is edited
        return kept.tables
    return loaded.spec.tables


def _digest(text: str) -> str:
    return xxh3_128_hexdigest(text.encode())


def _kept(folder: Path, environment: str) -> KnownTables | None:
    from lakehouse_cli.runs.local_state import kept

    return kept(folder, "cache", f"tables-{environment}.json", KnownTables) if environment.isidentifier() else None


def _included(file: Path) -> Iterator[str]:
    """The files that a project file includes."""
    for pattern in _PATTERN.findall(_written(_text(file), "include").partition(":")[2]):
        with suppress(ValueError, NotImplementedError):  # no pattern, or not of files below
            yield from (path.relative_to(file.parent).as_posix() for path in file.parent.glob(pattern))


def _names_in(text: str, key: str) -> list[str]:
    """The names in a section of a file that has a line for each: those below its key."""
    section = _written(text, key)
    first = _FIRST_NAME.match(section)
    return re.findall(rf"^{first[1]}([A-Za-z_]\w*) *:", section, re.MULTILINE) if first else []


def _names_of_runs(folder: Path) -> Iterator[str]:
    from lakehouse_cli.errors import LakehouseError
    from lakehouse_cli.runs.history.files import head, run_files

    for path in islice(run_files(folder), _RUNS):
        with suppress(LakehouseError):
            yield from head(path).tables
