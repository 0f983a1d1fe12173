"""Making a new project from a template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lakehouse_cli.errors import LakehouseError, UsageError, did_you_mean

DEFAULT_TEMPLATE = "minimal"
_NAME_MARK = "__project_name__"
_DESCRIPTION = "template.txt"


@dataclass(frozen=True, slots=True)
class Template:
    """A project to start from: its name, a line on what it shows, and its folder."""

    name: str
    description: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Scaffolded:
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
    sources = sorted(
        p for p in root.rglob("*") if p.is_file() and p.name != _DESCRIPTION and "__pycache__" not in p.parts
    )
    name = _project_name(folder)
    targets = {source: folder / _target(source.relative_to(root)) for source in sources}
    in_the_way = [target for target in targets.values() if target.exists() or target.is_symlink()]
    if in_the_way:
        shown = ", ".join(f"`{path.relative_to(folder)}`" for path in in_the_way[:5])
        raise LakehouseError(
            f"{folder} already has {shown}", hint="nothing was written; choose another folder: `lakehouse init DIR`"
        )
    try:
        for source, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            content = source.read_bytes().replace(_NAME_MARK.encode(), name.encode())
            with target.open("xb") as file:
                file.write(content)
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise LakehouseError(f"{error.filename or folder} cannot be written: {reason}") from error
    return Scaffolded(folder, name, tuple(target.relative_to(folder).as_posix() for target in targets.values()))


def _target(relative: Path) -> Path:
    # Names with a leading dot are left out by many packaging tools; templates spell them `dot_`.
    return Path(*(re.sub(r"^dot_", ".", part) for part in relative.parts))


def _project_name(folder: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", folder.absolute().resolve().name).strip("_") or "lakehouse"
    return f"_{name}" if name[0].isdigit() else name
