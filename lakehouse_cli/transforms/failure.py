"""What a user needs of an exception that their own code raised."""

from __future__ import annotations

import linecache
import traceback
from dataclasses import dataclass
from pathlib import Path

from lakehouse_cli.transforms.modules import is_own_file

_LONGEST = 500


@dataclass(frozen=True)
class Failure:
    """An exception, told.

    Attributes:
        exception: ``Type: message``.
        frames: The user's own, innermost last: (file, line, function, source line); files relative to the folder.
        traceback: All of it.
    """

    exception: str
    frames: tuple[tuple[str, int, str, str], ...]
    traceback: str

    @property
    def headline(self) -> str:
        """The exception in one line, shortened."""
        first = self.exception.strip().partition("\n")[0]
        return first if len(first) <= _LONGEST else first[: _LONGEST - 1] + "…"


def failure_of(error: BaseException, folder: Path, module_file: str | None = None) -> Failure:
    """Tell an exception.

    Args:
        error: As caught.
        folder: The project's; frames of files under it are the user's.
        module_file: File of the transform's module, whose folder counts as the user's also where it is installed.
    """
    own_folder = str(Path(module_file).parent) if module_file else None
    frames = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if is_own_file(file, folder) or (own_folder and str(Path(file).parent) == own_folder):
            source = linecache.getline(file, line, frame.f_globals).strip()
            frames.append((_shown(file, folder), line, frame.f_code.co_name, source))
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        frames.append((_shown(error.filename, folder), error.lineno, "<module>", (error.text or "").strip()))
        exception = f"{type(error).__name__}: {error.msg}"
    else:
        text = str(error)
        exception = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Failure(exception, tuple(frames), "".join(traceback.format_exception(error)))


def _shown(file: str, folder: Path) -> str:
    path = Path(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file
