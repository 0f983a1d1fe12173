"""Where code depends on what is neither an input nor code: environment variables, files, the network, chance.

Judged by what is written: names are resolved by the module's imports and nothing else. This is for notes, not for
fingerprints; what is missed costs a note, and so does what is reported without need.
"""

from __future__ import annotations

import ast
import posixpath
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import attrgetter

from lakehouse_cli.code.fingerprints.module_code import ModuleCode, Piece, first_line
from lakehouse_cli.code.fingerprints.value import OutsideRead
from lakehouse_cli.code.fingerprints.written_paths import written_path
from lakehouse_cli.code.source import last_name

# Most modules have none of these words, and are not gone through.
_WORDS = (
    *("environ", "getenv", "expandvars", "Settings", "decouple", "dotenv", "open", "load", "read_", "scan_", "connect"),
    *("fromfile", "genfromtxt", "memmap", "ParquetFile", "ExcelFile", "HDFStore", "dataset", "fileinput", "get_data"),
    *("resources", "configparser", "shutil", "ZipFile", "listdir", "scandir", "walk", "glob", "iterdir", "os.path"),
    *("exists", "isfile", "isdir", "getmtime", "getsize", "urlretrieve", "requests", "httpx", "create_engine", "boto3"),
    *("http.client", "HTTPConnection", "HTTPSConnection", "urllib3", "aiohttp", "fsspec", "duckdb"),
    *("group_by(", "unique("),
)
_ENVIRONMENT = frozenset(("os.environ", "os.environb", "posix.environ"))
_GETTERS = frozenset(("os.getenv", "os.getenvb", "decouple.config"))
_SETTINGS = frozenset(("os.path.expandvars", "pydantic_settings.BaseSettings", "environs.Env", "decouple.config"))
_BY_NAME = frozenset(("get", "__getitem__", "pop", "setdefault", "__contains__"))
_WRITERS = frozenset(("update", "clear", "__setitem__", "__delitem__", "putenv"))
# Calls that read, by kind; the first argument of a `part` is not the file that is read. Compiled by `re` where they are
# first used: most code reads nothing.
_CALLS = {
    "file": (
        r"open|(?:io|codecs|os|gzip|bz2|lzma|tarfile|fsspec)\.open|zipfile\.ZipFile|fileinput\.input"
        r"|linecache\.getlines?|sqlite3\.connect|duckdb\.connect|joblib\.load|openpyxl\.load_workbook"
        r"|xlrd\.open_workbook|numpy\.(?:load|loadtxt|genfromtxt|fromfile|memmap)|pyarrow\.(?:memory_map|OSFile)"
        r"|pyarrow\.parquet\.ParquetFile|pyarrow\.dataset\.dataset|dotenv\.(?:load_dotenv|dotenv_values)"
        r"|xarray\.open_dataset|geopandas\.read_file|deltalake\.DeltaTable|pandas\.(?:ExcelFile|HDFStore)"
        r"|(?:pandas|pyarrow(?:\.\w+)*)\.(?:read|scan)_(?!sql|clipboard|gbq)\w+"
        r"|os\.(?:listdir|scandir|walk)|os\.path\.(?:exists|isfile|isdir|getmtime|getsize)"
        r"|shutil\.(?:copy|copy2|copyfile|copytree)"
    ),
    "pattern": (r"(?:polars|duckdb|dask\.dataframe)\.(?:read|scan)_(?!sql|database|clipboard)\w+|glob\.i?glob"),
    "part": r"importlib\.resources\.\w+|pkgutil\.get_data|configparser\.(?:Raw)?ConfigParser",
    "network": (
        r"urllib\.request\.(?:urlopen|urlretrieve)|urllib3\.(?:request|PoolManager)|aiohttp\.(?:request|ClientSession)"
        r"|requests\.(?:get|post|request|Session)|httpx\.(?:get|post|request|stream|Client|AsyncClient)"
        r"|http\.client\.HTTPS?Connection|socket\.create_connection|psycopg2?\.connect|boto3\.(?:client|resource|Session)"
        r"|sqlalchemy\.create_engine|pandas\.read_(?:sql\w*|gbq)|polars\.read_database\w*"
    ),
}
_BY_QUERY = r"\w+\.read_(?:sql|database)\w*"  # calls whose second argument is where they read
_METHODS = {
    "read_text": "file",
    "read_bytes": "file",
    "open": "file",
    "iterdir": "file",
    "glob": "pattern",
    "rglob": "pattern",
}
# Functions of DuckDB that use one connection for the whole process.
_SHARED = (
    r"duckdb\.(?:sql|query|execute|executemany|register|unregister|table|view|values|table_function|query_df|df|arrow"
    r"|append|begin|commit|rollback|default_connection|(?:create|remove)_function|(?:from|read|fetch)_?\w+)"
)
# Methods of polars' frames whose rows come in another order each time, unless `maintain_order` is set.
_UNORDERED = ("group_by", "unique")
_WITH_MODE = ("open", "ZipFile", "HDFStore")  # calls whose second argument says whether a file is written
_BUFFERS = ("StringIO", "BytesIO", "BufferReader")
_URL = r"[A-Za-z][A-Za-z0-9+.-]+://"
_DATABASE_FILE = r"(?:sqlite|duckdb)(?:\+\w+)?:///?(.*)"


_line = attrgetter("line")


def reads_in(piece: Piece) -> tuple[OutsideRead, ...]:
    """What a statement of a module reads from outside, in the order in which it is written."""
    reads = reads_of(piece.code)
    if not reads:
        return ()
    statement = piece.statement
    begin = bisect_left(reads, first_line(statement), key=_line)
    return reads[begin : bisect_right(reads, statement.end_lineno or statement.lineno, key=_line)]


def changes_name(statement: ast.stmt, name: str) -> bool:
    """Whether a statement changes by a method, an item or an attribute what a name stands for: ``CONF.update(…)``."""
    targets: list[ast.expr] = []
    for node in ast.walk(statement):
        if isinstance(node, ast.Assign | ast.Delete):
            targets += node.targets
        elif isinstance(node, ast.AugAssign):
            targets.append(node.target)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            targets.append(node.value.func)
    for target in targets:
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name) and target.id == name:
            return True
    return False


def reads_of(code: ModuleCode) -> tuple[OutsideRead, ...]:
    """What a module's code reads from outside; gone through once."""
    if code.outside_reads is None:
        found = _found(code) if any(word in code.text for word in _WORDS) else ()
        code.outside_reads = tuple(sorted(found, key=_line))
    return code.outside_reads


def _found(code: ModuleCode) -> Iterator[OutsideRead]:
    names = _Names(code)
    known: set[ast.AST] = set()  # parts of what was found already
    for statement in code.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _sets(node.value, names):
                known.update(ast.walk(node.value))
            elif node not in known and isinstance(node, ast.expr):
                found = _read_at(node, names, known)
                if found is not None:
                    kind, name = found
                    yield OutsideRead(kind, name, code.label, node.lineno)
                if isinstance(node, ast.Call) and re.fullmatch(_SHARED, names.dotted(node.func)):
                    yield OutsideRead("duckdb", "", code.label, node.lineno)
        if names.has_polars and not _sorts(statement):
            yield from (OutsideRead("order", *found) for found in _unordered(statement, code.label))


class _Names:
    """What the names of a module stand for: its imports, wherever they are, and constants at its top."""

    def __init__(self, code: ModuleCode) -> None:
        self._code = code
        self._here = code.label if "/" in code.label else f"./{code.label}"
        self._imported: dict[str, str] = {}
        self._bound = {name for name, entries in code.entries.items() if any(isinstance(e, Piece) for e in entries)}
        for statement in code.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    for name, (module, path), _ in code.import_targets(node):
                        self._imported[name] = ".".join((module, *path))

    @property
    def has_polars(self) -> bool:
        """Whether the module imports polars."""
        return any(each.partition(".")[0] == "polars" for each in self._imported.values())

    def dotted(self, node: ast.expr) -> str:
        """The name of what an expression stands for, as far as it is imported; empty where it is not known."""
        path: list[str] = []
        while isinstance(node, ast.Attribute):
            path.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        first = self._imported.get(node.id)
        if first is None:
            # Built-in functions are not imported.
            return node.id if node.id == "open" and not path and node.id not in self._bound else ""
        return ".".join((first, *reversed(path)))

    def text(self, node: ast.expr | None) -> str:
        """The text that an expression is for certain, of paths as the project's folder has them; empty for others."""
        return "" if node is None else written_path(node, self._code, self._here) or ""


def _unordered(statement: ast.stmt, label: str) -> Iterator[tuple[str, str, int]]:
    """The methods that a statement calls after which rows are in no order, each with its place."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _UNORDERED:
            kept = _keyword(node, "maintain_order")
            if kept is None or (isinstance(kept, ast.Constant) and not kept.value):
                yield node.func.attr, label, node.func.end_lineno or node.lineno


def _sorts(statement: ast.stmt) -> bool:
    """Whether a statement calls a method that sorts."""
    return any(isinstance(node, ast.Attribute) and node.attr == "sort" for node in ast.walk(statement))


def _read_at(node: ast.expr, names: _Names, known: set[ast.AST]) -> tuple[str, str] | None:
    """The kind of what an expression reads, and its name where that is written; None where it reads nothing."""
    if isinstance(node, ast.Subscript) and names.dotted(node.value) in _ENVIRONMENT:
        known.add(node.value)
        return ("variable", names.text(node.slice)) if isinstance(node.ctx, ast.Load) else None
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and names.dotted(node.comparators[0]) in _ENVIRONMENT:
        known.add(node.comparators[0])
        return "variable", names.text(node.left)
    if isinstance(node, ast.Call):
        return _called(node, names, known)
    dotted = names.dotted(node)
    if dotted in _ENVIRONMENT or dotted in _SETTINGS:
        return ("variable", "") if isinstance(getattr(node, "ctx", None), ast.Load) else None
    return None


def _called(node: ast.Call, names: _Names, known: set[ast.AST]) -> tuple[str, str] | None:
    dotted = names.dotted(node.func)
    owner, _, method = dotted.rpartition(".")
    argument = node.args[0] if node.args else next((each.value for each in node.keywords), None)
    if dotted in _GETTERS or (owner in _ENVIRONMENT and method in _BY_NAME):
        known.update(ast.walk(node.func))
        return "variable", names.text(argument)
    if owner in _ENVIRONMENT and method in _WRITERS:
        known.update(ast.walk(node.func))
        return None
    kind = next((kind for kind, calls in _CALLS.items() if re.fullmatch(calls, dotted)), None) if dotted else None
    if kind is not None:
        if re.fullmatch(_BY_QUERY, dotted):
            argument = node.args[1] if len(node.args) > 1 else _keyword(node, "con", "connection", "uri")
        if (dotted.endswith(_WITH_MODE) and _is_written(node)) or _is_in_memory(argument, dotted):
            return None
        return _place(kind, ".env" if dotted.startswith("dotenv.") and argument is None else names.text(argument))
    method = node.func.attr if isinstance(node.func, ast.Attribute) and not dotted else ""
    if method in _METHODS and isinstance(node.func, ast.Attribute):
        if method == "open" and _is_written(node, 0):
            return None
        name, kind = names.text(node.func.value), _METHODS[method]
        if kind == "pattern":
            below = posixpath.join("**" if method == "rglob" else "", names.text(argument))
            name = posixpath.join(name, below) if name and names.text(argument) else ""
        return kind, name
    return None


def _place(kind: str, text: str) -> tuple[str, str] | None:
    """The kind of what a call reads and its name, by the path or the URL that it is given."""
    if (found := re.fullmatch(_DATABASE_FILE, text)) is not None:
        return ("file", found[1]) if found[1] not in ("", ":memory:") else None
    if kind == "network" or re.match(_URL, text):
        return "network", text
    return ("file", "") if kind == "part" else (kind, text)


def _sets(node: ast.Call, names: _Names) -> bool:
    """Whether a call whose value nobody takes sets or removes a variable."""
    owner, _, method = names.dotted(node.func).rpartition(".")
    return owner in _ENVIRONMENT and method in ("setdefault", "pop", *_WRITERS)


def _keyword(node: ast.Call, *names: str) -> ast.expr | None:
    return next((each.value for each in node.keywords if each.arg in names), None)


def _is_written(node: ast.Call, position: int = 1) -> bool:
    """Whether a file is opened for writing alone, by a mode that is written there."""
    mode = _keyword(node, "mode")
    if mode is None and len(node.args) > position:
        mode = node.args[position]
    text = mode.value if isinstance(mode, ast.Constant) and isinstance(mode.value, str) else ""
    return bool(text) and text.strip("btwax") == "" and text.strip("bt") != ""


def _is_in_memory(argument: ast.expr | None, dotted: str) -> bool:
    if argument is None:
        return dotted in ("duckdb.connect", "fileinput.input")
    if isinstance(argument, ast.Constant) and argument.value == ":memory:":
        return True
    func = argument.func if isinstance(argument, ast.Call) else None
    return func is not None and last_name(func) in _BUFFERS
