"""Making a new project, from a template or of given files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from lakehouse_cli.code.module_search import PROJECT_FILE
from lakehouse_cli.config.editor_schema import keep_schema
from lakehouse_cli.errors import LakehouseError, UsageError
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.name_lists import first_named

_NAME_MARK = "__project_name__"
_DESCRIPTION = "template.txt"
_ELSEWHERE = "lakehouse init DIR"


class Template(Struct, frozen=True):
    """A project to start from: its name, a line on what it shows, and its folder."""

    name: str
    description: str
    folder: Path


class Scaffolded(Struct, frozen=True):
    """What `scaffold` made: the project's folder and name, and the files in it."""

    folder: Path
    name: str
    files: tuple[str, ...]


def templates() -> dict[str, Template]:
    """The templates by name, from the installed package or, in a checkout, from beside it."""
    package = Path(__file__).parent
    root = next(f for f in (package / "project_templates", package.parent / "project_templates") if f.is_dir())
    found = {}
    for folder in sorted(root.iterdir()):
        description = folder / _DESCRIPTION
        if description.is_file():
            found[folder.name] = Template(folder.name, description.read_text(encoding="utf-8").strip(), folder)
    return found


def scaffold(folder: Path, template_name: str) -> Scaffolded:
    """Write a template's files into a folder, which is made where it is not there.

    Nothing is written if any of the files is already there.

    Raises:
        UsageError: There is no such template.
        LakehouseError: A file is in the way, or the folder cannot be written.
    """
    known = templates()
    if template_name not in known:
        hint = did_you_mean(template_name, known) or f"the templates are {', '.join(known)}"
        raise UsageError(f"there is no template `{template_name}`", hint=hint)
    root = known[template_name].folder
    name = project_name(folder)
    mark = _NAME_MARK.encode()
    contents = {
        _target(source.relative_to(root)): source.read_bytes().replace(mark, name.encode()) for source in _files(root)
    }
    return write_project(folder, contents)


def check_absent(folder: Path, files: Iterable[Path], elsewhere: str = _ELSEWHERE) -> None:
    """Refuse a folder that already has one of some files.

    Raises:
        LakehouseError: Naming those that it has.
    """
    in_the_way = [each for each in files if os.path.lexists(folder / each)]
    if in_the_way:
        where = "this folder" if folder == Path() else f"`{folder}`"
        shown = first_named([path.as_posix() for path in in_the_way], 5)
        raise LakehouseError(
            f"{where} already has {shown}",
            hint=f"nothing was written; choose another folder: `{elsewhere}`",
        )


def write_project(folder: Path, contents: Mapping[Path, bytes], elsewhere: str = _ELSEWHERE) -> Scaffolded:
    """Write files into a folder, which is made where it is not there; all of them or none. Editors get the schema too.

    Args:
        folder: The project's.
        contents: By path below the folder.
        elsewhere: The command that writes them to another folder.

    Raises:
        LakehouseError: A file is in the way, or the folder cannot be written.
    """
    check_absent(folder, contents, elsewhere)
    _write(folder, contents, elsewhere)
    keep_schema(folder / PROJECT_FILE)
    return Scaffolded(folder, project_name(folder), tuple(each.as_posix() for each in contents))


def _files(root: Path) -> list[Path]:
    """A template's files; not its description, nor what tools leave beside them in a checkout."""
    inside = ((path, path.relative_to(root).parts) for path in root.rglob("*") if path.is_file())
    left_out = (_DESCRIPTION, "__pycache__")
    return sorted(path for path, parts in inside if not any(part in left_out or part.startswith(".") for part in parts))


def _write(folder: Path, contents: Mapping[Path, bytes], elsewhere: str) -> None:
    """Write every file, or none that stays."""
    written: list[Path] = []
    try:
        for path, content in contents.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                written.append(target)
                file.write(content)
    except OSError as error:
        for target in written:
            with suppress(OSError):
                target.unlink()
        reason = system_reason(error)
        raise LakehouseError(
            f"`{error.filename or folder}` cannot be written: {reason}",
            hint=f"nothing was written; choose another folder: `{elsewhere}`",
        ) from error


def _target(relative: Path) -> Path:
    # Names with a leading dot are left out by many packaging tools; templates spell them `dot_`.
    return Path(*(re.sub(r"^dot_", ".", part) for part in relative.parts))


def project_name(folder: Path) -> str:
    """Return the name of a project in a folder."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", Path(os.path.realpath(folder)).name).strip("_") or "lakehouse"
    # Written bare into YAML, where `null` would be no name at all.
    return f"_{name}" if name[0].isdigit() or name.lower() == "null" else name
