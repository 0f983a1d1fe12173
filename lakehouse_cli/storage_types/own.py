"""Types of storage that are not the tool's: a class in the project's own modules, or in an installed package.

What such a class says of itself (its options, what its root is) is read from its source with `ast`. Loading a project
imports nothing of it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lakehouse_cli.code.origins import Definition, Origins, dotted_name
from lakehouse_cli.code.source import ModuleSource, SourceError, SourceReader
from lakehouse_cli.formats.spec import FormatOption, JsonSchema, Refusal, first_refused
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage_types.own_methods import check_methods
from lakehouse_cli.storage_types.spec import StorageType
from lakehouse_cli.text.close_names import did_you_mean

_SCHEMAS: Mapping[str, JsonSchema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "list[str]": {"type": "array", "items": {"type": "string"}},
    "tuple[str, ...]": {"type": "array", "items": {"type": "string"}},
}
_TYPES = "str, int, float, bool or list[str]"
_ROOTS = ("folder", "file", "url", "folder or url", "text", "none")
# The tool's own bases whose tables are files of a format.
_BASES_WITH_FORMATS = frozenset(("KeyedStorage", "ObjectStorage", "FileStorage"))
# Annotated in the bases; no options.
_NOT_OPTIONS = frozenset(("spec",))
# What a class says of itself, annotated or not.
_SAID = frozenset(("root_is", "schemes", "cannot_hold"))


def read_type(name: str, target: str, folder: Path) -> StorageType:
    """Read what the source of a storage's class says of it.

    Its annotated fields are its options: those without a default must be given, those whose names begin with ``_`` and
    those annotated ``ClassVar`` are none. Fields of base classes count too.

    Args:
        name: What ``type:`` calls it.
        target: ``module:Class``.
        folder: The project's, where modules are looked for first.

    Raises:
        SourceError: The module or the class cannot be found, or declares what no project file can hold.
    """
    module_name, _, class_name = target.partition(":")
    code = SourceReader(folder)
    own, bases = _line_of_descent(code.module(module_name), class_name, code)
    fields, constants = _fields(own)
    required = [each for each, (_, is_required) in fields.items() if is_required]
    root = constants.get("root_is", "text")
    if root not in _ROOTS:
        raise _error(f"`root_is` of {class_name} is {root!r}", f"write one of {', '.join(_ROOTS)}", *own[0])
    check_methods(own, bases)
    return StorageType(
        name,
        target,
        root=root,
        schemes=tuple(constants.get("schemes") or ()),
        formats=any(each.rpartition(".")[2] in _BASES_WITH_FORMATS for each in bases),
        options=tuple(option for option, _ in fields.values()),
        refusal=refusal_of(class_name, constants.get("cannot_hold") or ()),
        required=tuple(required),
        root_required=root in ("folder", "file", "url", "folder or url"),
        own=True,
    )


def _fields(line: list[Definition]) -> tuple[dict[str, tuple[FormatOption, bool]], dict[str, Any]]:
    """The options of a line of classes, each with whether it must be given; and what they say of themselves."""
    fields: dict[str, tuple[FormatOption, bool]] = {}
    constants: dict[str, Any] = {}
    for module, definition in reversed(line):
        for statement in definition.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                field = statement.target.id
                if "ClassVar" in ast.unparse(statement.annotation).partition("[")[0]:
                    constants[field] = _literal(statement.value)
                elif not field.startswith("_") and field not in _NOT_OPTIONS:
                    fields[field] = _option(statement, module, definition), statement.value is None
            if not isinstance(statement, ast.Assign):
                continue
            for target in statement.targets:
                name = target.id if isinstance(target, ast.Name) else ""
                if name in fields:  # another default for the option of a base
                    known = fields[name][0]
                    is_none = isinstance(statement.value, ast.Constant) and statement.value.value is None
                    default = _default(statement, name, module, definition, may_be_none=is_none)
                    fields[name] = replace(known, default=default), False
                elif name in _SAID:
                    constants[name] = _literal(statement.value)
    return fields, constants


def _line_of_descent(module: ModuleSource, name: str, code: SourceReader) -> tuple[list[Definition], frozenset[str]]:
    """Return the class and those it descends from, nearest first; full names of bases that are not the project's."""
    origins = Origins(code)
    first = origins.find(module, name)
    if first is None or isinstance(first, str):
        known = [statement.name for statement in module.tree.body if isinstance(statement, ast.ClassDef)]
        hint = did_you_mean(name, known) or (f"its classes are {', '.join(known)}" if known else "define it there")
        raise SourceError(f"class `{name}` is not in {module.shown}", hint)
    line: list[Definition] = []
    others: set[str] = set()

    def descend(where: ModuleSource, definition: ast.ClassDef, below: tuple[ast.ClassDef, ...]) -> None:
        line.append((where, definition))
        for base in definition.bases:
            written = dotted_name(base)
            found = None if written is None else origins.find(where, written)
            if found is None or (not isinstance(found, str) and found[1] in below):
                message = f"the code does not say where base `{ast.unparse(base)}` of {definition.name} comes from"
                hint = "import or define it at the top of the module, by its name: its options are read from its source"
                raise _error(message, hint, where, definition)
            if isinstance(found, str):
                others.add(found)
            else:
                descend(*found, (*below, found[1]))

    descend(*first, (first[1],))
    # Who is reached by two ways comes behind both, as in Python's own order.
    last = [each for index, each in enumerate(line) if all(each[1] is not later for _, later in line[index + 1 :])]
    return last, frozenset(others)


def _literal(value: ast.expr | None) -> Any:
    try:
        return None if value is None else ast.literal_eval(value)
    except ValueError:
        return None


def _option(statement: ast.AnnAssign, module: ModuleSource, definition: ast.ClassDef) -> FormatOption:
    annotation = statement.annotation
    # One in quotes is meant as what it says.
    written = str(annotation.value) if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
    name = ast.unparse(statement.target)
    may_be_none = written.endswith(" | None")
    schema = _SCHEMAS.get(written.removesuffix(" | None"))
    if schema is None:
        raise _error(
            f"option `{name}: {written}` of {definition.name} is of a type that no project file can hold",
            f"make it {_TYPES}; a field that is no option is a `ClassVar`, or begins with `_`",
            module,
            statement,
        )
    default = _default(statement, name, module, definition, may_be_none=may_be_none)
    return FormatOption(name, default, schema, f"Of {definition.name}.")


def _default(
    statement: ast.Assign | ast.AnnAssign,
    name: str,
    module: ModuleSource,
    definition: ast.ClassDef,
    *,
    may_be_none: bool,
) -> Any:
    default = _literal(statement.value)
    if default is None and statement.value is not None and not may_be_none:
        raise _error(
            f"the default of option `{name}` of {definition.name} is no plain value",
            "write it as a number, a text, true or false, or a list",
            module,
            statement,
        )
    return default


def _error(message: str, hint: str, module: ModuleSource, node: ast.stmt) -> SourceError:
    return SourceError(f"{message} ({module.shown}:{node.lineno})", hint)


def refusal_of(class_name: str, refused: Any) -> Refusal | None:
    """Return what ``cannot_hold`` of a class says; None where it is empty.

    Args:
        class_name: For messages.
        refused: Names of kinds of types (``uint64``), or types (``timestamp[ns]``), wherever they stand in a type.
    """
    if not refused:
        return None
    names = frozenset(refused)

    def why(column_type: ColumnType) -> str | None:
        found = first_refused(column_type, lambda each: each.id in names or str(each) in names)
        return None if found is None else f"`{class_name}` holds no {found}"

    return why
