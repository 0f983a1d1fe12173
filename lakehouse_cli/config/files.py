"""Where a project's own files are: the project file, found from a folder, and its YAML, Python and SQL."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from lakehouse_cli.code.module_search import PROJECT_FILE
from lakehouse_cli.config.dotenv import ENV_FILE
from lakehouse_cli.declarations import DeclaredProject, Place
from lakehouse_cli.errors import Problem, ProjectError, UsageError
from lakehouse_cli.model import ProjectSpec

_ENDINGS = (".py", ".yaml", ".yml", ".sql")

#: The message where a module runs the project that it declares as it is imported.
RUN_ON_IMPORT = "the module that declares the project is being imported, and cannot run it meanwhile"


def project_file(path: str | os.PathLike[str] | None) -> Path:
    """The file of a project, which is there but may be invalid.

    Args:
        path: The project file or its folder; None searches the current folder and those above.

    Raises:
        ProjectError: There is none.
    """
    if path is None:
        return _nearest(_current_folder())
    given = Path(path)
    if not given.is_absolute():
        given = _current_folder() / given
    if given.is_dir():
        file = given / PROJECT_FILE
        if not os.path.lexists(file):
            raise _no_project_file(f"there is no {PROJECT_FILE} in {path}")
        return file
    if not os.path.lexists(given):
        raise _no_project_file(f"{path} does not exist")
    return given


def declared_project_file(path: str | os.PathLike[str] | None, declared: DeclaredProject | str) -> Path:
    """Where the file of a project would be that is declared in Python and needs none.

    Args:
        path: The project's folder; by default the current one, and of what is declared already the folder from which
            its module is imported.
        declared: The project, or its module.

    Raises:
        ProjectError: There is no such folder.
        UsageError: The project is declared in a module that is being imported just now.
    """
    if not isinstance(declared, str):
        from lakehouse_cli.code.importing import is_importing  # of no use to YAML alone

        if is_importing():
            raise UsageError(RUN_ON_IMPORT, hint='call it under `if __name__ == "__main__":`')
        if path is None and (own := import_folder(declared.place)) is not None:
            return own / PROJECT_FILE
    folder = _current_folder() if path is None else Path(path)
    folder = folder if folder.is_absolute() else _current_folder() / folder
    if not folder.is_dir():
        raise ProjectError([Problem(f"{path} is not a folder", "name the folder that the module is imported from")])
    return folder / PROJECT_FILE


def import_folder(place: Place) -> Path | None:
    """The folder from which a module is imported that has a call in it; None where it is no file."""
    path = Path(place.file)
    if not path.is_file():
        return None
    above = path.resolve().parents
    packages = place.module.count(".") + (path.name == "__init__.py")
    return above[min(packages, len(above) - 1)]


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise _no_project_file("the current folder is no longer there") from None


def _nearest(start: Path) -> Path:
    """The nearest ``lakehouse.yaml`` in a folder or above it.

    Raises:
        ProjectError: There is none.
    """
    for candidate in (start, *start.parents):
        if os.path.lexists(candidate / PROJECT_FILE):
            return candidate / PROJECT_FILE
    raise _no_project_file(f"there is no {PROJECT_FILE} in {start} or above")


def _no_project_file(message: str) -> ProjectError:
    hint = (
        "`lakehouse init` makes one; `-C DIR` names another folder, and `-m MODULE` a module that declares the tables"
    )
    return ProjectError([Problem(message, hint)])


def all_files(folder: Path) -> Iterator[str]:
    """The files of a project of which nothing but its folder is known: ``.env``, YAML, Python and SQL."""
    yield str(folder / ENV_FILE)
    yield from code_files(folder)


def own_files(spec: ProjectSpec) -> Iterator[str]:
    """The YAML, Python and SQL files of a project; its storages, of whatever environment, are not looked through."""
    storages = (storage for each in spec.environments.values() for storage in each.storages.values())
    local = (storage.root for storage in storages if storage.type == "files")
    return code_files(spec.folder, [Path(root) for root in local if root != str(spec.folder)])


def code_files(folder: Path, apart_from: Iterable[Path] = ()) -> Iterator[str]:
    """The YAML, Python and SQL files below a folder; hidden folders, environments and storages are not entered.

    Args:
        folder: The project's.
        apart_from: Folders that are not entered, such as the roots of storages.
    """
    left_out = {os.path.realpath(path) for path in apart_from}
    for parent, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__"))
            and os.path.realpath(f"{parent}/{name}") not in left_out
            and not os.path.exists(f"{parent}/{name}/pyvenv.cfg")
        ]
        yield from (f"{parent}/{name}" for name in files if name.endswith(_ENDINGS))
