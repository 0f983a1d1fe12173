"""`lakehouse open`: a stored asset in the program that shows such files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Annotated

import typer

from lakehouse_cli.cli import options, output

EXAMPLES = """\b
Examples:
  lakehouse open chart
  lakehouse open report -e prod      of an object store: a copy of it
  lakehouse open chart --partition month=2024-01"""


@options.everywhere
def command(
    settings: options.Settings,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", show_default=False, help="An asset's name.", autocompletion=options.completed("assets")
        ),
    ],
    partition: options.Partitions = None,
) -> None:
    """Open a stored asset in the desktop's program for it.

    Prints its path, which is all where there is no desktop.
    """
    path = settings.project().local_copy(name, partitions=partition or ())
    opener = None if settings.json else _opener()
    if opener is not None:
        # It may print what it likes, and go on when this has ended.
        nowhere = subprocess.DEVNULL
        subprocess.Popen([opener, path], stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)  # noqa: S603
    if settings.json:
        output.write_json({"name": name, "path": path})
    elif opener is None or not settings.quiet:
        output.write(path)
    output.flush()


def _opener() -> str | None:
    """The desktop's program that opens files; None where there is no desktop."""
    if sys.platform == "darwin":
        return shutil.which("open")
    has_desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if has_desktop else None
