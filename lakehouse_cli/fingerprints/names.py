"""Uses of names, as the canonical form notes them, and the text that stands for them there."""

from __future__ import annotations

import ast
import re
from typing import Any

Import = tuple[str, tuple[str, ...]]
"""What a name is imported from: a module, and the names to follow from there."""

CERTAIN = 1  # changed in place: a store to its attribute or item, or part of a call whose result is thrown away
RECEIVER = 2  # a method of it is called
ARGUMENT = 4  # handed to a call
CALLEE = 8  # called
EAGER = 16  # evaluated when the module is imported
STORE = 32  # bound anew
LOOSE = 64  # may go by another name, local or of a loop, that is changed
BASE = 128  # a base class, or the metaclass
KNOWN = 256  # an import by name whose name is known
WRITTEN = 512  # its attribute is bound anew
RESULT = 1024  # what it returns is changed in place, or what is made of that
DEEP = 2048  # what it holds is changed, not itself
CHANGING = CERTAIN | RECEIVER | ARGUMENT | LOOSE | BASE

# Functions and methods that bind attributes of what they are given first.
ATTRIBUTE_WRITERS = frozenset(("setattr", "delattr", "__setattr__", "__delattr__"))

MENTIONED = re.compile(r"@([A-Za-z_]\w*)")  # pandas looks such names up: df.query("amount > @LIMIT")

# What reads the annotations of a module's variables, which otherwise mean nothing.
ANNOTATION_READERS = frozenset(("__annotations__", "get_type_hints", "get_annotations"))
DOC_READERS = frozenset(
    (
        *("__doc__", "getdoc", "pydoc", "render_doc"),
        *("model_json_schema", "models_json_schema", "schema_json", "TypeAdapter"),  # of pydantic
    )
)
# What reads a function as it is written or compiled, comments and line numbers included.
SOURCE_READERS = frozenset(
    (
        "__code__",
        "__firstlineno__",
        "f_lineno",
        "findsource",
        "getframeinfo",
        "getcomments",
        "getsource",
        "getsourcefile",
        "getsourcelines",
        "linecache",
        "pydoc",  # it shows comments where there is no docstring
        "render_doc",
        "tb_lineno",
    )
)
# Attributes that lead to any module: to the names of the one a function or frame is from, to classes derived elsewhere.
ANYWHERE = frozenset(("__globals__", "__subclasses__", "f_globals", "f_locals"))
NOTED = ANNOTATION_READERS | DOC_READERS | SOURCE_READERS | ANYWHERE

# Methods of the built-in types, by whether they change what they are called on.
MUTATING = frozenset(
    [
        "append",
        "appendleft",
        "extend",
        "extendleft",
        "insert",
        "pop",
        "popleft",
        "popitem",
        "remove",
        "clear",
        "update",
        "setdefault",
        "add",
        "discard",
        "sort",
        "reverse",
        "rotate",
        "intersection_update",
        "difference_update",
        "symmetric_difference_update",
        "subtract",
        "move_to_end",
    ]
)
PURE = frozenset(
    [
        "capitalize",
        "casefold",
        "copy",
        "count",
        "decode",
        "difference",
        "encode",
        "endswith",
        "find",
        "format",
        "get",
        "index",
        "intersection",
        "isdisjoint",
        "issubset",
        "issuperset",
        "items",
        "join",
        "keys",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "union",
        "upper",
        "values",
        "zfill",
    ]
)
# Methods of loggers that tell something.
TELLING = frozenset(
    ("debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log", "isEnabledFor", "success")
)
LOGGERS = frozenset(("logging", "loguru", "structlog"))
# Built-in functions that leave alone what they are given.
HARMLESS = frozenset(
    [
        "abs",
        "all",
        "any",
        "ascii",
        "bin",
        "bool",
        "bytes",
        "callable",
        "chr",
        "complex",
        "dict",
        "divmod",
        "enumerate",
        "float",
        "format",
        "frozenset",
        "getattr",
        "hasattr",
        "hash",
        "hex",
        "id",
        "int",
        "isinstance",
        "issubclass",
        "len",
        "list",
        "max",
        "min",
        "oct",
        "ord",
        "pow",
        "print",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "zip",
    ]
)


class Use:
    """One place where a name is used.

    Attributes:
        spot: Where in the canonical text it goes, -1 for nowhere.
        name: The name.
        attributes: Taken from it one by one, as far as they are written.
        flags: `CERTAIN` … `RESULT`.
        callee: The use that is called with it.
        origin: What it is imported from, where that is known.
    """

    __slots__ = ("attributes", "callee", "flags", "name", "origin", "spot")

    def __init__(self, spot: int, name: str, attributes: tuple[str, ...], flags: int, callee: Use | None) -> None:
        self.spot = spot
        self.name = name
        self.attributes = attributes
        self.flags = flags
        self.callee = callee
        self.origin: Import | None = None

    def imported(self, origin: Import) -> Use:
        """The same use, without a text, of what `origin` imports."""
        use = Use(-1, self.name, self.attributes, self.flags, self.callee)
        use.origin = origin
        return use

    @property
    def is_of_itself(self) -> bool:
        """Whether what it changes is the object of that name, and not what this holds or gives out."""
        if self.flags & DEEP or (self.flags & CALLEE and self.flags & RESULT):
            return False
        # Of `made.append(…)` and `made.name = …` the last attribute is what happens to it.
        return len(self.attributes) <= bool(self.flags & (RECEIVER | WRITTEN))

    @property
    def only_tells(self) -> bool:
        """Whether calling it leaves alone what it is given, as far as its name says: ``print(x)``, ``LOG.info(x)``."""
        return self.attributes[-1] in TELLING if self.attributes else self.origin is None and self.name in HARMLESS

    @property
    def local_text(self) -> str:
        """Its text as a local name."""
        return f".{'.'.join((self.name, *self.attributes))},"

    @property
    def global_text(self) -> str:
        """Its text as a global name: where it was imported from, or the name itself."""
        if self.origin is None:
            return f"${'.'.join((self.name, *self.attributes))},"
        module, path = self.origin
        return f"@{'.'.join((module, *path, *self.attributes))},"


class Scope:
    """A function, comprehension, class or the module, while it is walked through.

    Attributes:
        kind: ``module``, ``function``, ``comprehension`` or ``class``.
        outer: The scope around it in which its free names are looked up.
        uses: Of names, until it is known whose they are.
        bound: Names that are local.
        definite: Names that a class body has bound for certain so far.
        globals: Declared so.
        nonlocals: Declared so.
        imports: What a name is imported from, each time.
        rebound: Names that are bound by something other than an import.
        fresh: Local names that stand for an object made here, wherever they are not in `foreign`.
        foreign: Local names that may stand for an object from elsewhere.
        making: The name under which a method that makes an object knows it.
        spots: Places of imports in the text, with the name bound and the module or name imported.
    """

    __slots__ = (
        *("bound", "definite", "foreign", "fresh", "globals", "imports"),
        *("kind", "making", "nonlocals", "outer", "rebound", "spots", "uses"),
    )

    def __init__(self, kind: str, outer: Scope | None) -> None:
        self.kind = kind
        self.outer = outer
        # Names used in a class body belong to what is around it, unless the body has bound them for certain.
        self.uses: list[Use] = outer.uses if kind == "class" and outer is not None else []
        self.bound: set[str] = set()
        self.definite: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.imports: dict[str, list[Import]] = {}
        self.rebound: set[str] = set()
        self.fresh: set[str] = set()
        self.foreign: set[str] = set()
        self.making: str | None = None
        self.spots: list[tuple[int, str, str]] = []

    def bind(self, name: str, *, fresh: bool = False) -> None:
        """Note a local name, and whether it is bound to an object that is made here."""
        self.bound.add(name)
        self.rebound.add(name)
        (self.fresh if fresh else self.foreign).add(name)

    def plain_import(self, name: str) -> Import | None:
        """What a local name stands for throughout, if that is one import."""
        origins = self.imports.get(name)
        if origins is None or name in self.rebound or any(origin != origins[0] for origin in origins):
            return None
        return origins[0]

    def may_change(self, use: Use) -> bool:
        """Whether a use of a local name may change an object that was not made here."""
        if use.name in self.fresh and use.name not in self.foreign and use.is_of_itself:
            return False
        if use.name == self.making and use.flags & WRITTEN and not use.flags & DEEP:
            return len(use.attributes) > 1 or use.attributes == ("__dict__",)
        if use.flags & ARGUMENT and use.callee is not None and use.callee.only_tells:
            return False
        if use.flags & (CERTAIN | DEEP | RESULT):
            return True
        if not use.flags & RECEIVER or not use.attributes:
            return False
        method = use.attributes[-1]
        return method in MUTATING or (self.kind == "function" and method not in PURE)


def constant_text(value: Any) -> str:
    """The text of a constant, the same in all versions of Python."""
    if isinstance(value, str):
        return f"s{len(value)}:{value},"  # repr() depends on what a version of Unicode calls printable
    if value is None or isinstance(value, (bool, float, complex, bytes)) or value is Ellipsis:
        return f"{value!r},"
    return f"i{value:x},"


def bound_by(statement: ast.stmt) -> set[str]:
    """The names that a simple statement or a definition binds for certain."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
