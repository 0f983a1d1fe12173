"""The one case in which loading a project runs code of the user's: the module that declares it in Python."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from lakehouse_cli.code.importing import import_own, is_own_file
from lakehouse_cli.code.module_search import PUT_MODULE, in_the_way
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.declarations import DeclaredProject, DeclaredTable, declared_by
from lakehouse_cli.errors import Interrupted, LakehouseError, Location, Problem
from lakehouse_cli.executors.forks import UNFORKABLE
from lakehouse_cli.registry import install_command
from lakehouse_cli.text.close_names import did_you_mean

_ONE = "`lakehouse = Lakehouse(assets=[…])`"


def find_declared(named: str, folder: Path, place: Location | None) -> DeclaredProject | Problem:
    """Import a module, and find the project that it declares.

    Args:
        named: The module, or ``module:name`` where it declares several.
        folder: The project's, resolved; the module is looked for there before anywhere else.
        place: Where it is named; None where that is in no file.
    """
    name, _, attribute = named.partition(":")
    if not all(part.isidentifier() for part in name.split(".")) or name.endswith(".py"):
        hint = _module_of_file(name, folder, f":{attribute}" if attribute else "")
        return Problem(f"{quoted(name)} is not a module's name", hint or "write it as in an `import`", place)
    module = _imported(name, folder, place)
    if isinstance(module, Problem):
        return module
    found = {key: value for key, value in vars(module).items() if isinstance(value, DeclaredProject)}
    if attribute:
        if attribute in found:
            return found[attribute]
        if hasattr(module, attribute):
            kind = type(getattr(module, attribute)).__name__
            return Problem(f"`{attribute}` in module `{name}` is a `{kind}`, not a `Lakehouse`", _other(found), place)
        hint = did_you_mean(attribute, found) or _other(found)
        return Problem(f"`{attribute}` is not in module `{name}`", hint, place)
    different = {id(value): value for value in found.values()}
    if len(different) == 1:
        return next(iter(different.values()))
    if different:
        hint = f"name one of them: {' or '.join(f'`{name}:{key}`' for key in found)}"
        return Problem(f"module `{name}` has {len(different)} of `Lakehouse`", hint, place)
    has_tables = any(isinstance(each, DeclaredTable) or declared_by(each) for each in vars(module).values())
    hint = f"add {_ONE} to it" if has_tables else f"declare the project in it: {_ONE}"
    return Problem(f"module `{name}` declares no `Lakehouse`", hint, place)


def _module_of_file(name: str, folder: Path, attribute: str) -> str | None:
    """How to name the module that a path or file is; None where it can be none."""
    here, stem = Path.cwd(), name.removesuffix(".py")
    stem = stem if "/" in stem else stem.strip(".")
    paths = [Path(os.path.normpath(each / stem)) for each in (folder, here)]
    path = next((each for each in paths if each.with_suffix(".py").is_file()), paths[0])
    parts, command = path.relative_to(folder).parts if path.is_relative_to(folder) else (), ""
    if (not parts or not all(part.isidentifier() for part in parts[:-1])) and path.with_suffix(".py").is_file():
        parts, command = path.parts[-1:], f"lakehouse -C {shlex.quote(os.path.relpath(path.parent, here))} -m "
    module = ".".join(parts)
    if not parts or not all(part.isidentifier() for part in parts) or module + attribute == name:
        return None
    return f"write `{command}{module}{attribute}`"


def _other(found: dict[str, DeclaredProject]) -> str:
    return f"name {' or '.join(f'`{key}`' for key in found)}" if found else f"declare it: {_ONE}"


def _imported(name: str, folder: Path, place: Location | None) -> ModuleType | Problem:
    try:
        # What it prints is not what a command prints.
        with _interruption_placed(name, folder), contextlib.redirect_stdout(sys.stderr):
            module = import_own(name, folder)
            UNFORKABLE.update({"duckdb"} & sys.modules.keys())  # a connection of its keeps threads
            return module
    except Interrupted:
        raise
    except BaseException as error:  # noqa: BLE001  # whatever the user's module raises, `SystemExit` too
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            return _not_found(name, folder, place)
        if isinstance(error, ModuleNotFoundError) and error.name and (other := in_the_way(error.name, folder)):
            return Problem(f"{other} is not a regular file", PUT_MODULE, place)
        from lakehouse_cli.code.failure import failure_of  # slow to load

        failure = failure_of(error, folder)
        via = [f"{file}:{line}" for file, line, _, _ in failure.frames[:-1]]
        hint = "correct it" + (f"; it was reached from {', '.join(via[-3:])}" if via else "")
        if isinstance(error, ModuleNotFoundError) and error.name:
            hint = f"{install_command(error.name) or f'install what `{error.name}` belongs to'}, or correct the import"
        message = f"module `{name}` cannot be imported: {failure.headline}"
        if isinstance(error, LakehouseError):  # such as of a run at import
            message, hint = f"module `{name}` cannot be imported: {error.message}", error.hint or hint
        return Problem(message, hint, failure.location or place)


@contextlib.contextmanager
def _interruption_placed(name: str, folder: Path) -> Iterator[None]:
    """Have Ctrl-C say where a module was that is being imported, and end what it ends otherwise."""
    is_main = threading.current_thread() is threading.main_thread()
    before: Any = signal.getsignal(signal.SIGINT) if is_main else None
    if not callable(before):
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        at = frame
        while at is not None and not is_own_file(at.f_code.co_filename, folder):
            at = at.f_back
        place = "" if at is None else f", at {os.path.relpath(at.f_code.co_filename, folder)}:{at.f_lineno}"
        text = f"module `{name}` was being imported{place}"
        if before is signal.default_int_handler:  # whose exception might be one of the module's own
            raise Interrupted(text)
        with contextlib.suppress(OSError):
            os.write(2, f"{text}\n".encode(errors="replace"))
        before(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _not_found(name: str, folder: Path, place: Location | None) -> Problem:
    if (other := in_the_way(name, folder)) is not None:
        return Problem(f"{other} is not a regular file", PUT_MODULE, Location(other))
    beside = sorted(path.stem for path in folder.glob("*.py"))
    hint = did_you_mean(name, beside) or f"put `{name.replace('.', '/')}.py` into {folder}"
    return Problem(f"module `{name}` is neither in the project's folder nor installed", hint, place)
