"""Tables declared in Python: what was said, and where; a project's loading reads it as it reads YAML.

Nothing is judged here: whatever is wrong is reported with all else that is wrong with the project, with its place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple, TypeVar, overload

_Function = TypeVar("_Function", bound=Callable[..., Any])
# The attribute of a decorated function that holds its declarations.
_DECLARED = "__lakehouse_tables__"
#: Keywords without which a computed table needs a function.
COMPUTES = ("function", "sql", "sql_file")
_serials = count()


class Place(NamedTuple):
    """Where a call stands.

    Python finds the line of an instruction from the first on; of a module with a thousand calls that would take longer
    than all else, so that it is read where it is wanted.

    Attributes:
        code: What has the call in it.
        instruction: Index of the instruction that calls.
        module: Dotted name of its module, as it was run.
    """

    code: CodeType
    instruction: int
    module: str

    @property
    def file(self) -> str:
        """The file it stands in."""
        return self.code.co_filename


def _caller() -> Place:
    """Where the function is called that calls this."""
    frame = sys._getframe(2)
    names = frame.f_globals
    module = str(names.get("__name__", ""))
    if module == "__main__" and (spec := names.get("__spec__")) is not None:
        module = spec.name
    return Place(frame.f_code, frame.f_lasti // 2, module)


class Target(type(Path())):  # type: ignore[misc]  # the class of paths on this system
    """The path to which a transform writes its result, in the place of returning it: the annotation of a parameter.

    The file is not there yet; a folder is, and is empty. What is there when the transform returns becomes the asset.
    """


class Column:
    """One column of a table.

    Args:
        name: Its name.
        type: An Arrow type: its name, such as ``"int64"`` or ``"timestamp[us]"``, or a `pyarrow.DataType`.
        nullable: Whether it may hold null.
        description: What it holds.
        keys: Any other key that a column may have in `lakehouse.yaml`; ``from_`` for ``from``.
    """

    __slots__ = ("keys", "name", "place")

    def __init__(
        self,
        name: str,
        type: object,  # noqa: A002  # as the YAML calls it
        nullable: bool = True,
        description: str | None = None,
        **keys: Any,
    ) -> None:
        self.name = name
        self.keys: dict[str, Any] = {"type": type}
        if nullable is not True:
            self.keys["nullable"] = nullable
        if description is not None:
            self.keys["description"] = description
        self.keys.update((key, value) for key, value in keys.items() if value is not None)
        self.place = _caller()

    def __repr__(self) -> str:
        return f"Column({self.name!r}, {str(self.keys['type'])!r})"


class DeclaredTable:
    """One table as it is declared; called, it calls the function that computes it.

    Attributes:
        kind: ``source`` or ``computed``.
        function: What computes it; None for a source, and for a query or a function that is only named.
        keys: Its keywords, as given.
        place: Of the call or decorator.
        serial: How many were declared before it in this process.
        decorated: The function above which a source stands, or the table of a call, by mistake.
    """

    def __init__(self, kind: str, function: Any, keys: Mapping[str, Any], place: Place) -> None:
        self.kind = kind
        self.function = function
        self.keys = keys
        self.place = place
        self.serial = next(_serials)
        self.decorated: Any = None
        if function is not None:
            self.__wrapped__ = function  # its signature is that of this

    @property
    def name(self) -> Any:
        """The name that is given, else the last part of a source's path, else the function's."""
        name = self.keys.get("name")
        if name is not None:
            return name
        if self.kind == "source":
            path = self.keys.get("path")
            if isinstance(path, list | tuple):
                path = "/".join(path) if path and all(isinstance(part, str) for part in path) else None
            return None if path is None else str(path).rstrip("/").rpartition("/")[2]
        return getattr(self.function, "__name__", None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function that computes it, with frames; where there is none, note the function that it decorates."""
        is_computed = callable(self.function) and not isinstance(self.function, DeclaredTable)
        if not is_computed and len(args) == 1 and callable(args[0]):
            self.decorated = args[0]
            return self
        if not callable(self.function):
            message = f"table `{self.name}` is computed by no function of Python's"
            raise TypeError(message)
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.kind} table {self.name!r}>"


class TableDecorator:
    """What `computed_table` returns where it is given no function: a decorator, or the table of a query."""

    def __init__(self, keys: Mapping[str, Any], place: Place) -> None:
        self.table = DeclaredTable("computed", None, keys, place)

    def __call__(self, function: Any) -> Any:
        """Declare the table that a function computes, and return the function."""
        return _decorate(function, self.table.keys, self.table.place)


def source_table(name: str | None = None, **keys: Any) -> DeclaredTable:
    """Declare a table that is there already.

    Args:
        name: Its name; by default the last part of `path`.
        keys: The keys of a table in `lakehouse.yaml`: ``columns``, ``path``, ``storage``, ``format``, ``options``, …
            Columns are a list of `Column`, or a map of names to types; a path may be a tuple of its parts.
    """
    return DeclaredTable("source", None, {"name": name, **keys}, _caller())


@overload
def computed_table(function: _Function, /) -> _Function: ...  # type: ignore[overload-overlap]  # without keywords it decorates
@overload
def computed_table(function: Callable[..., Any] | str, /, **keys: Any) -> DeclaredTable: ...
@overload
def computed_table(**keys: Any) -> Callable[[_Function], _Function]: ...
def computed_table(function: Any = None, /, **keys: Any) -> Any:
    """Declare a table that a function computes, or a query.

    A decorator, with or without keywords, or a call: ``computed_table(function, name="totals")``, and
    ``computed_table("totals", sql="select …")``. A decorated function stays the function that it is.

    Args:
        function: What computes it, or the table's name.
        keys: The keys of a table in `lakehouse.yaml`, and ``name``, by default the function's. ``inputs`` are tables or
            names of tables: a list, matched to the parameters in order, or a map of parameter to table, or to what a
            partition gets of one, as ``{"table": monthly, "at": {"month": -1}}``; by default the tables that the
            parameters are named after.
    """
    if isinstance(function, str):
        return DeclaredTable("computed", None, {"name": function, **keys}, _caller())
    if function is None:
        return TableDecorator(keys, _caller())
    return DeclaredTable("computed", function, keys, _caller()) if keys else _decorate(function, keys, _caller())


#: The same, for assets that are not tables: what is one is said by `format`.
source_asset, computed_asset = source_table, computed_table


def _decorate(function: Any, keys: Mapping[str, Any], place: Place) -> Any:
    table = DeclaredTable("computed", function, keys, place)
    if callable(function) and not isinstance(function, DeclaredTable):
        try:
            setattr(function, _DECLARED, (*declared_by(function), table))
            return function
        except (AttributeError, TypeError):  # such as of a function of C, which has no attributes of its own
            pass
    return table


def declared_by(value: Any) -> tuple[DeclaredTable, ...]:
    """The tables that the decorators of a function declare; none of what is no decorated function."""
    try:
        found: tuple[DeclaredTable, ...] = vars(value).get(_DECLARED, ())
    except TypeError:
        return ()
    return found


class DeclaredProject:
    """A project as it is declared.

    Attributes:
        assets: Its tables, a list of them; what else is given, as it is.
        keys: Its other keywords, as given.
        place: Of the call.
    """

    def __init__(self, assets: Iterable[Any] = (), **keys: Any) -> None:
        # Of a generator there is nothing left the second time.
        self.assets = list(assets) if isinstance(assets, Iterable) and not isinstance(assets, str | Mapping) else assets
        self.keys = keys
        self.place = _caller()
