"""Reading Python modules with `ast`, never executing them: which functions there are and what they take.

A module is looked for beside the project file first, then where installed packages are, without importing
parent packages (importing one would run its code).
"""

from __future__ import annotations

import ast
import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from msgspec import Struct, field

from lakehouse_cli.code.module_search import PUT_MODULE, find_module, in_the_way, is_standard
from lakehouse_cli.code.snapshot import CodeSnapshot
from lakehouse_cli.code.table_decorators import undeclared
from lakehouse_cli.errors import Location
from lakehouse_cli.model.frame_names import UnsupportedType
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.counts import count_text
from lakehouse_cli.text.name_lists import first_few
from lakehouse_cli.text.regular_files import read_regular

if TYPE_CHECKING:
    from lakehouse_cli.code.annotations import NamedTypes

# Compiled by `re` where a module is read anew.
# An import that may be inside a function; what is no such thing and looks like it does no harm. Each alternative of
# these patterns begins with a character of its own: where it does not, the search of a module takes ten times as long.
_INNER_IMPORT = r"(?:\n[ \t]+|;[ \t]*|:[ \t]*)(?:import|from)[ \t]"
_PATH = r"__path__|addsitedir|sys\b.*\bpath\b|from[ \t]+sys\b|sys[ \t]+as\b"
_PATH_WORDS = ("__path__", "addsitedir", "sys")  # one of which is in all of these
# https://docs.python.org/3/reference/lexical_analysis.html#encoding-declarations
_ENCODING = rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)"
# Code that is nested more deeply is refused: how much Python takes depends on its version and on who calls it.
_DEEPEST = 1000
_FLATTEN = "write its longest expression, or chain of `elif`, in several steps"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_GLOBAL = r"global[ \t]"

ParameterKind = Literal["positional_only", "positional", "keyword", "var_positional", "var_keyword"]


class Parameter(Struct, frozen=True, omit_defaults=True):
    """One parameter of a function as written.

    Attributes:
        name: Its name.
        kind: How it is given.
        has_default: Whether it may be left out.
        location: Where its name stands.
        unsupported: The type that its annotation names, where that cannot be a frame type; None elsewhere.
        is_target: Whether it takes the path to which the function writes, and no table.
    """

    name: str
    kind: ParameterKind
    has_default: bool
    location: Location
    unsupported: UnsupportedType | None = None
    is_target: bool = False


class FunctionSource(Struct, frozen=True, omit_defaults=True):
    """A function as written.

    Attributes:
        name: Its name in the module asked for.
        location: Where its name stands.
        parameters: In order; None where the source does not say (what a call returns, a name from elsewhere).
        is_async: Whether it is declared ``async def``.
        unsupported_result: Of its result, as `Parameter.unsupported`.
    """

    name: str
    location: Location
    parameters: tuple[Parameter, ...] | None
    is_async: bool = False
    unsupported_result: UnsupportedType | None = None


class SourceError(Exception):
    """A module cannot be found or parsed; `location` says where it is broken, where it was found at all."""

    def __init__(self, message: str, hint: str | None = None, location: Location | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.location = location


class ModuleSource(Struct, frozen=True, eq=False):
    """A module as written.

    Attributes:
        name: Dotted name.
        file: Absolute path.
        shown: The path as messages show it.
        functions: By name: what is defined, imported or assigned at the top level.
        is_package: Whether the file is a package's ``__init__.py``.
        tree: As parsed, without the decorators that declare tables; not to be changed.
        has_inner_imports: Whether there may be imports inside functions.
        has_globals: Whether functions may bind names of the module.
        changes_path: Whether it may change the folders in which modules are looked for.
        text: All of it, decoded.
    """

    name: str
    file: Path
    shown: str
    functions: Mapping[str, FunctionSource]
    is_package: bool = False
    tree: ast.Module = field(default_factory=lambda: ast.Module([], []))
    has_inner_imports: bool = False
    has_globals: bool = False
    changes_path: bool = False
    text: str = ""


class SourceReader(Struct):
    """Finds and reads the modules of one project, each once.

    Attributes:
        folder: The project's folder; modules beside the project file win over installed ones.
        snapshot: Reads their files.
    """

    folder: Path
    snapshot: CodeSnapshot = field(default_factory=CodeSnapshot)
    _modules: dict[str, ModuleSource | SourceError] = field(default_factory=dict)

    def know(self, modules: Iterable[ModuleSource]) -> None:
        """Take these as read."""
        self._modules.update({module.name: module for module in modules})

    @property
    def modules(self) -> tuple[ModuleSource, ...]:
        """All that was read."""
        return tuple(module for module in self._modules.values() if isinstance(module, ModuleSource))

    def module(self, name: str) -> ModuleSource:
        """Read a module by its dotted name.

        Raises:
            SourceError: It cannot be found, read or parsed.
        """
        known = self._modules.get(name)
        if known is None:
            try:
                known = self._read(name)
            except SourceError as error:
                known = error
            self._modules[name] = known
        if isinstance(known, SourceError):
            raise known
        return known

    def _read(self, name: str) -> ModuleSource:
        if is_standard(name.partition(".")[0], self.folder):
            hint = "give the file another name, and `module:` with it"
            raise SourceError(f"module `{name}` has the name of one of Python's own", hint)
        file = find_module(name, self.folder)
        if file is None:
            if name.endswith(".py"):
                raise SourceError(
                    f"`{name}` is a file's name, not a module's", f"write `{name[:-3].replace('/', '.')}`"
                )
            if (other := in_the_way(name, self.folder)) is not None:
                raise SourceError(f"{other} is not a regular file", PUT_MODULE, Location(other))
            beside = sorted(path.stem for path in self.folder.glob("*.py"))
            hint = did_you_mean(name, beside) or ""
            if not hint:
                files = first_few([f"{stem}.py" for stem in beside], 5)
                hint = f"create {name.replace('.', '/')}.py beside the project file" + (
                    f", where {files} is" if files else ""
                )
            raise SourceError(f"module `{name}` is neither beside the project file nor installed", hint)
        shown = _shown(file, self.folder)
        try:
            text = _decode(self.snapshot.read(file))
        except OSError as error:
            raise SourceError(f"{shown} cannot be read: {error.strerror}", "let it be read", Location(shown)) from error
        except (UnicodeError, LookupError, SyntaxError) as error:
            raise _undecodable(file, shown, error) from error
        lines = text.splitlines()
        try:
            tree = undeclared(ast.parse(text, filename=shown))
        except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
            raise refused_by_python(error, shown, text) from error
        longest = max(map(len, lines), default=0)
        for statement in tree.body:
            # Each level takes a character, so that a statement of few characters need not be looked at.
            height = (statement.end_lineno or statement.lineno) - statement.lineno + 1
            if height * longest > _DEEPEST and _is_too_deep(statement):
                place = place_in(shown, text, statement, "def")
                raise SourceError(
                    f"{shown} is nested more than {count_text(_DEEPEST)} levels deep here", _FLATTEN, place
                )
        functions: dict[str, FunctionSource] = {}
        inner, globals_ = re.search(_INNER_IMPORT, text) is not None, re.search(_GLOBAL, text) is not None
        is_package = file.name == "__init__.py"
        path = any(word in text for word in _PATH_WORDS) and re.search(_PATH, text) is not None
        module = ModuleSource(name, file, shown, functions, is_package, tree, inner, globals_, path, text)
        # Entered before imports are followed, so that modules importing each other end.
        self._modules[name] = module
        from lakehouse_cli.code.annotations import NamedTypes  # not loaded where nothing is read anew

        statements = list(top_level(tree.body))
        types = NamedTypes(statements, name)
        for statement in statements:
            functions.update(self._names(statement, module, lines, types))
        return module

    def _names(
        self, statement: ast.stmt, module: ModuleSource, lines: list[str], types: NamedTypes
    ) -> dict[str, FunctionSource]:
        """The names one top-level statement binds that may be functions."""
        if isinstance(statement, _FUNCTIONS):
            return {statement.name: _function(statement, module.shown, lines, types)}
        if isinstance(statement, ast.ImportFrom):
            return self._imported(statement, module, lines)
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
            return {}
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        value, parameters = statement.value, None
        if isinstance(value, ast.Lambda):
            parameters = _parameters(value.args, module.shown, lines)
        found = {}
        for target in targets:
            if isinstance(target, ast.Name):
                place = _place(module.shown, lines, target.lineno, target.col_offset, len(target.id))
                found[target.id] = FunctionSource(target.id, place, parameters)
        return found

    def _imported(self, statement: ast.ImportFrom, module: ModuleSource, lines: list[str]) -> dict[str, FunctionSource]:
        origin = self._followed(statement, module)
        found: dict[str, FunctionSource] = {}
        for alias in statement.names:
            if alias.name == "*":
                found.update(origin or {})
                continue
            name = alias.asname or alias.name
            known = (origin or {}).get(alias.name)
            place = _place(module.shown, lines, alias.lineno, alias.col_offset, len(alias.name))
            found[name] = known if known is not None else FunctionSource(name, place, None)
        return found

    def _followed(self, statement: ast.ImportFrom, module: ModuleSource) -> Mapping[str, FunctionSource] | None:
        """Functions of the project's own module that a ``from`` import names; None for everybody else's."""
        if statement.level > module.name.count(".") + module.is_package:
            return None
        name = imported_module(statement, module.name, is_package=module.is_package)
        if find_module(name, self.folder, installed=False) is None:
            return None
        try:
            return self.module(name).functions
        except SourceError:
            return None


def imported_module(statement: ast.ImportFrom, name: str, *, is_package: bool) -> str:
    """The module that a ``from`` import in a module of that name asks for, absolutely."""
    package = name.split(".") if statement.level else []
    kept = package[: max(len(package) - statement.level + is_package, 0)]
    return ".".join([*kept, *filter(None, (statement.module,))])


def last_name(node: ast.AST) -> str:
    """The name that an expression is, or its last attribute; empty for any other."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _decode(data: bytes) -> str:
    import io
    import tokenize

    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


def _undecodable(file: Path, shown: str, error: Exception) -> SourceError:
    """The error of a module that is not text in the encoding that it declares, or that declares none of text."""
    for number, line in enumerate(read_regular(file).split(b"\n", 2)[:2], 1):
        declared = re.match(_ENCODING, line.removeprefix(codecs.BOM_UTF8))
        if declared is not None:
            text = line.decode("ascii", "replace").rstrip("\r")
            place = Location(shown, number, declared.start(1) + 1, len(declared[1]), text)
            name = declared[1].decode("ascii", "replace")
            if isinstance(error, UnicodeDecodeError):
                return SourceError(f"{shown} is not text in its declared encoding, {name}", str(error), place)
            hint = "declare the encoding that the file is saved in, or remove the line and save it as UTF-8"
            return SourceError(f"{shown} declares `{name}`, which is no encoding of Python source", hint, place)
    return SourceError(f"{shown} is not text in its declared encoding, UTF-8", str(error), Location(shown))


def _shown(file: Path, folder: Path) -> str:
    try:
        return file.relative_to(folder).as_posix()
    except ValueError:
        return str(file)


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported, inside ``if``, ``try`` and ``with`` too."""
    waiting = body[::-1]
    while waiting:  # no recursion, as each `elif` stands inside the one before
        statement = waiting.pop()
        yield statement
        inside: list[ast.stmt] = []
        if isinstance(statement, ast.If):
            inside = [*statement.body, *statement.orelse]
        elif isinstance(statement, ast.Try):
            handled = [inner for handler in statement.handlers for inner in handler.body]
            inside = [*statement.body, *handled, *statement.orelse, *statement.finalbody]
        elif isinstance(statement, ast.With):
            inside = statement.body
        waiting += inside[::-1]


def _function(
    node: ast.FunctionDef | ast.AsyncFunctionDef, shown: str, lines: list[str], types: NamedTypes
) -> FunctionSource:
    column = node.col_offset + len("async def " if isinstance(node, ast.AsyncFunctionDef) else "def ")
    place = _place(shown, lines, node.lineno, column, len(node.name))
    # What a decorator returns may have other annotations.
    is_plain = not node.decorator_list
    parameters = _parameters(node.args, shown, lines, types, are_judged=is_plain)
    result = types.unsupported(node.returns, returned=True) if is_plain else None
    return FunctionSource(node.name, place, parameters, isinstance(node, ast.AsyncFunctionDef), result)


def _parameters(
    arguments: ast.arguments, shown: str, lines: list[str], types: NamedTypes | None = None, *, are_judged: bool = False
) -> tuple[Parameter, ...]:
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)

    def parameter(arg: ast.arg, kind: ParameterKind, has_default: bool) -> Parameter:
        place = _place(shown, lines, arg.lineno, arg.col_offset, len(arg.arg))
        unsupported = types.unsupported(arg.annotation, returned=False) if types is not None and are_judged else None
        is_target = types is not None and types.is_target(arg.annotation)
        return Parameter(arg.arg, kind, has_default, place, unsupported, is_target)

    found = [
        parameter(arg, "positional_only" if index < len(arguments.posonlyargs) else "positional", index >= required)
        for index, arg in enumerate(positional)
    ]
    if arguments.vararg is not None:
        found.append(parameter(arguments.vararg, "var_positional", True))
    found += [
        parameter(arg, "keyword", default is not None)
        for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg is not None:
        found.append(parameter(arguments.kwarg, "var_keyword", True))
    return tuple(found)


def _place(shown: str, lines: list[str], line: int, column: int, length: int) -> Location:
    """A place by `ast`'s count: 1-based line, 0-based column in UTF-8 bytes."""
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    characters = column if source.isascii() else len(source.encode()[:column].decode(errors="ignore"))
    return Location(shown, line, characters + 1, max(length, 1), source)


def place_in(shown: str, text: str, node: ast.stmt, word: str) -> Location:
    """Where a statement has a word; where it stands itself, if it is not written there so."""
    lines = text.splitlines()
    line, column = node.lineno, node.col_offset
    found = re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", lines[line - 1][column:]) if line <= len(lines) else None
    column += found.start() if found is not None else 0
    return _place(shown, lines, line, column, len(word) if found is not None else 1)


def refused_by_python(error: Exception, shown: str, text: str) -> SourceError:
    """The error of a module that Python does not parse or compile."""
    if isinstance(error, SyntaxError):
        place = _syntax_place(error, shown, text.splitlines())
        return SourceError(f"syntax error in {shown}: {error.msg}", None, place)
    if isinstance(error, RecursionError | MemoryError):
        return SourceError(f"{shown} is nested more than {count_text(_DEEPEST)} levels deep", _FLATTEN, Location(shown))
    return SourceError(f"{shown} cannot be parsed: {error}", None, Location(shown))


def _is_too_deep(statement: ast.stmt) -> bool:
    """Whether more nodes are inside each other than are taken."""
    depth, level = 0, [cast("ast.AST", statement)]
    while level and depth <= _DEEPEST:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node) if _may_be_long(child)]
    return depth > _DEEPEST


def _may_be_long(node: ast.AST) -> bool:
    """Whether a node has so many characters that it may hold a long chain of others."""
    if not isinstance(node, ast.stmt | ast.expr) or node.end_col_offset is None:
        return True
    return node.lineno != node.end_lineno or node.end_col_offset - node.col_offset >= _DEEPEST // 10


def _syntax_place(error: SyntaxError, shown: str, lines: list[str]) -> Location:
    line = error.lineno or 1
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    column = max(error.offset or 1, 1)
    length = 1
    if error.end_lineno == error.lineno and error.end_offset is not None and error.end_offset > column:
        length = error.end_offset - column
    return Location(shown, line, column, length, source)
