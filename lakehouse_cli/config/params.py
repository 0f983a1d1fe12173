"""`params`: their values with variables filled in, and those that a command gives in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.config.dotenv import DotEnv
from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.reading import Reader, free_value
from lakehouse_cli.config.scalars import core_value, loses_digits
from lakehouse_cli.config.source import SourceFile, refused_character
from lakehouse_cli.config.tables import Draft
from lakehouse_cli.config.variables import as_written, fill, names_variables, settle, template_of, unset_in
from lakehouse_cli.config.yaml_tree import Mapping as MappingNode
from lakehouse_cli.config.yaml_tree import Node, Scalar, Sequence, parse_yaml
from lakehouse_cli.errors import UsageError
from lakehouse_cli.model import Param, ProjectSpec, Table, UnsetValue
from lakehouse_cli.text.close_names import did_you_mean

_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a map",
}
# Of a param that is null in the file.
_ANY = type(None)
_UNSET: Mapping[str | None, type] = {None: _ANY, "text": str, "list": list, "map": dict}
# The greatest whole number up to which a number with a point tells all of them apart.
_EXACT = 2**53
#: Stands for a value that is none of YAML's.
_UNREADABLE = object()
_HINTS: Mapping[type, str] = {list: "write it as in YAML: `[a, b]`", dict: "write it as in YAML: `{a: 1}`"}


#: What a command gives that gives no params.
NO_PARAMS: Mapping[str, Any] = {}


class GivenText(Struct, frozen=True):
    """The value of a param as a command line gives it."""

    text: str


def read_param(reader: Reader, key: Scalar, node: Node, environ: DotEnv, *, needed: bool) -> tuple[Param, Node]:
    """One param with its variables filled in, and its node; quotes decide whether what is filled in is a text.

    Args:
        reader: Of the file it stands in.
        key: Its name.
        node: Its value as written.
        environ: The variables.
        needed: Whether to report those that are not set.
    """
    filled = fill(reader, node, environ)
    unset = tuple(dict.fromkeys(unset_in(filled)))
    if unset and needed:
        settle(filled, reader)
    plain = as_written(filled)
    value = UnsetValue(unset, _kind_of(node)) if unset else free_value(plain)
    template = template_of(filled)
    return Param(value, names_variables(filled), _loses(plain), template, location=reader.at(key)), plain


def _kind_of(node: Node) -> Literal["text", "list", "map"] | None:
    if isinstance(node, Scalar):
        return None if node.plain else "text"
    return "list" if isinstance(node, Sequence) else "map"


def _loses(node: Node) -> bool:
    return any(each.plain and loses_digits(each.text) for each in _scalars(node))


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence | MappingNode):
        for child in node.items if isinstance(node, Sequence) else [value for _, value in node.entries.values()]:
            yield from _scalars(child)


def has_reference(value: Any) -> bool:
    """Whether a text in a value has ``${``."""
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, dict):
        return any(map(has_reference, value.values()))
    return isinstance(value, list) and any(map(has_reference, value))


def fill_params(draft: Draft, environ: DotEnv, given: Mapping[str, Any] | None, *, needed: bool) -> Node | None:
    """Fill in the variables in the params of a table; returns these as written, None where there are none.

    Args:
        draft: The table; changed in place.
        environ: The variables.
        given: Values that the command gives, by name, which need no variables; None where none does.
        needed: Whether to report variables that are not set.
    """
    if not has_reference(draft.values.get("params")):
        return None
    at, written = draft.node.entries["params"]
    if not isinstance(written, MappingNode):
        return None
    params, entries = {}, {}
    for name, (key, node) in written.entries.items():
        params[name], plain = read_param(draft.reader, key, node, environ, needed=needed and is_needed(name, given))
        entries[name] = key, plain
    draft.values["params"] = {name: param.value for name, param in params.items()}
    draft.private = {name: param.template for name, param in params.items() if param.is_private}
    draft.node = draft.node.having({**draft.node.entries, "params": (at, written.having(entries))})
    return written


def is_needed(name: str, given: Mapping[str, Any] | None) -> bool:
    """Whether a param needs its variables: not where the command gives its value, or nothing is computed."""
    return given is not None and name not in given


def with_given(spec: ProjectSpec, given: Mapping[str, Any]) -> ProjectSpec:
    """The project with the values that a command gives, over those of the file, of tables too.

    Args:
        spec: The project.
        given: By name: of a command line as `GivenText`.

    Raises:
        UsageError: There is no such param, or a value is not of the type that it has in the file.
    """
    known = dict.fromkeys([*spec.params, *(name for table in spec.tables.values() for name in table.params)])
    for name in given:
        if name not in known:
            named = ", ".join(f"`{each}`" for each in known)
            hint = did_you_mean(name, known) or (f"params are {named}" if known else "the project file has no `params`")
            raise UsageError(f"there is no param {quoted(name)}", hint=hint)
    params = dict(spec.params)
    for name, param in spec.params.items():
        if name in given:
            value = fitted(given[name], param.value, name, private=param.is_private)
            params[name] = replace(param, value=value, loses_digits=_written_loses(given[name], value))
    tables = {name: _with_own(table, given) for name, table in spec.tables.items()}
    return replace(spec, params=params, tables=tables, given=frozenset(given))


def _with_own(table: Table, given: Mapping[str, Any]) -> Table:
    own = given.keys() & table.params.keys()
    if not own:
        return table
    values = dict(table.params)
    for name in values:
        if name in own:
            what = f"{name}` of table `{table.name}"
            values[name] = fitted(given[name], values[name], what, private=name in table.private)
            if table.query is not None and _written_loses(given[name], values[name]):
                raise lost_digits(name)
    return replace(table, params=values)


def lost_digits(name: str) -> UsageError:
    """The error for a number that a query would get wrong."""
    return UsageError(
        f"param `{name}` has more digits than a number keeps, and a query takes it",
        hint="make it a text in the file, and cast it to DECIMAL in the query",
    )


def _written_loses(given: Any, value: Any) -> bool:
    """Whether a value has fewer digits than the text that gives it."""
    if not isinstance(given, GivenText) or isinstance(value, str):
        return False
    node = _parsed(given.text) if isinstance(value, list | dict) else None
    return loses_digits(given.text.strip()) if node is None else _loses(node)


def fitted(given: Any, declared: Any, what: str, *, private: bool = False) -> Any:
    """A given value with the type that the param has in the file.

    Args:
        given: The value; of a command line as `GivenText`.
        declared: The one in the file; where that is null, any will do.
        what: Name of the param, perhaps with what follows in a message.
        private: Whether neither of the two is shown.

    Raises:
        UsageError: It is of another type.
    """
    kind = _UNSET[declared.kind] if isinstance(declared, UnsetValue) else type(declared)
    value = _read(given.text, kind) if isinstance(given, GivenText) else _plain(given)
    is_open = kind is _ANY
    if kind is float and type(value) is int and abs(value) <= _EXACT:
        return float(value)
    if value is not _UNREADABLE and (is_open or type(value) is kind):
        return value
    is_ = "a value that YAML can write" if is_open else _KINDS[kind]
    if kind is float and type(value) is int:
        is_ = "a number with a point, which keeps 15 digits"
    shown = given.text if isinstance(given, GivenText) else repr(given)
    is_not = "" if private else f", not {quoted(shown)}"
    hint = _HINTS.get(kind) or f"the file has {is_}: give one, or change it there"
    raise UsageError(f"param `{what}` is {is_}{is_not}", hint=hint)


def _read(text: str, kind: type) -> Any:
    """What a text on a command line is, for a param that has a value of some type in the file."""
    if kind is str:
        return text
    if kind in (list, dict) or (kind is _ANY and text.lstrip().startswith(("[", "{", '"', "'"))):
        node = _parsed(text)
        return _UNREADABLE if node is None else free_value(node)
    return core_value(text.strip())


def _parsed(text: str) -> Node | None:
    """A text of YAML on one line, as between brackets; None where it is none."""
    if refused_character(text) is not None:
        return None
    problems = Problems()
    node = parse_yaml(SourceFile(Path("--param"), "--param", text), problems)
    return None if problems.count else node


def _plain(value: Any) -> Any:
    """A value of Python's as one of the file's; one that is none cannot be read."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        items = {key: _plain(item) for key, item in value.items()}
        return items if all(isinstance(k, str) and v is not _UNREADABLE for k, v in items.items()) else _UNREADABLE
    if isinstance(value, list | tuple):
        found = [_plain(item) for item in value]
        return found if all(item is not _UNREADABLE for item in found) else _UNREADABLE
    return _UNREADABLE
