"""A part of the project file as it is written, to be read again on another machine, by the variables of that one.

No value of a variable is in it. What is written in quotes stays a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lakehouse_cli.config.dotenv import DotEnv
from lakehouse_cli.config.problems import Problems
from lakehouse_cli.config.reading import Reader, free_value
from lakehouse_cli.config.source import PlacedMark, SourceFile
from lakehouse_cli.config.storages import read_storage
from lakehouse_cli.config.url_variables import url_encoding
from lakehouse_cli.config.variables import REFERENCE, as_it_is, as_written, fill, settle
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence
from lakehouse_cli.errors import Location, ProjectError, in_order
from lakehouse_cli.model import StorageSpec

_FILE = "lakehouse.yaml"
_NOWHERE = PlacedMark(0, 0, Location(_FILE))


def variables_of(template: Any) -> dict[str, bool]:
    """The variables that a template names, each with whether it must be set."""
    found: dict[str, bool] = {}
    for text in _texts(template):
        for match in re.finditer(REFERENCE, text):
            if match["name"]:
                found[match["name"]] = found.get(match["name"], False) or match["default"] is None
    return found


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, AnyMapping):
        for value in template.values():
            yield from _texts(value)
    elif isinstance(template, list | tuple):
        for item in template:
            yield from _texts(item)


def storage_of(spec: StorageSpec, environ: AnyMapping[str, str], folder: Path, home: Path) -> StorageSpec:
    """A storage with the variables of this machine filled in.

    Args:
        spec: As it came here, without what its variables stand for.
        environ: The variables.
        folder: Where the project's files are here.
        home: The project's folder on the machine of the run, below which relative roots are.

    Raises:
        ProjectError: Variables are not set, or what they stand for is no storage.
    """
    if spec.template is None:
        return replace(spec, folder=folder)
    problems = Problems()
    reader = Reader(SourceFile(folder / _FILE, _FILE, ""), problems)
    variables = DotEnv(environ, folder, problems)
    written = _node(spec.template)
    assert isinstance(written, Mapping)  # noqa: S101  # `template_of` makes it of one
    encoding = url_encoding(written)
    filled = written.having(
        {
            name: (key, fill(reader, value, variables, encoding if name == "root" else as_it_is))
            for name, (key, value) in written.entries.items()
        }
    )
    found = read_storage(reader, _scalar(spec.name), settle(filled, reader), folder, home=home)
    if problems.count:
        raise ProjectError(in_order(problems.sorted(_FILE), _FILE))
    return replace(found, root_text=spec.root_text, many_files=spec.many_files, location=spec.location)


def value_of(template: Any, environ: AnyMapping[str, str], folder: Path) -> Any:
    """The value of a param with the variables of this machine filled in.

    Raises:
        ProjectError: Variables are not set.
    """
    problems = Problems()
    reader = Reader(SourceFile(folder / _FILE, _FILE, ""), problems)
    filled = fill(reader, _node(template), DotEnv(environ, folder, problems))
    settle(filled, reader)
    if problems.count:
        raise ProjectError(in_order(problems.sorted(_FILE), _FILE))
    return free_value(as_written(filled))


def _scalar(text: str, plain: bool = True) -> Scalar:
    return Scalar(text, plain, _NOWHERE, _NOWHERE)


def _node(template: Any) -> Node:
    if isinstance(template, AnyMapping):
        entries = {name: (_scalar(name), _node(value)) for name, value in template.items()}
        return Mapping(entries, len(entries), _NOWHERE, _NOWHERE)
    if isinstance(template, list):
        return Sequence([_node(item) for item in template], len(template), _NOWHERE, _NOWHERE)
    text, plain = template
    return _scalar(text, plain)
