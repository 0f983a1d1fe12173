"""Draw the README's pictures from what the tool really prints: `make screenshots`."""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import termios
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent
WEATHER = DOCS.parent / "examples" / "weather"
WIDTH = 116


def output(folder: Path, *argv: str) -> str:
    """What a command prints on a terminal that only takes lines, in colour, its prompt before it."""
    command = [sys.executable, "-c", "from lakehouse_cli.cli.main import main; main()", *argv]
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "dumb"}
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, WIDTH))
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=its, stdout=its, stderr=its):
        os.close(its)
        with open(ours, encoding="utf-8", newline="") as screen:  # noqa: PTH123  # a descriptor
            lines = []
            with suppress(OSError):  # at its end
                lines.extend(screen)
    return f"\x1b[1m$ lakehouse {' '.join(argv)}\x1b[0m\n{''.join(lines)}".replace("\r\n", "\n")


def draw(name: str, text: str) -> None:
    """Write text with ANSI styles as an SVG."""
    console = Console(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True)
    console.print(Text.from_ansi(text.rstrip("\n")))
    svg = console.export_svg(title="lakehouse", unique_id=name.partition(".")[0])
    # A picture in a repository loads nothing from elsewhere; without the web font, the viewer's own monospace is taken.
    (DOCS / name).write_text(re.sub(r"\s*@font-face \{[^}]*\}", "", svg), encoding="utf-8")


def main() -> None:
    """Draw a run, a run that breaks a contract, and problems of a project file."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "weather"
        # As it is in version control, without what a run here has stored.
        shutil.copytree(WEATHER, folder, ignore=shutil.ignore_patterns("__pycache__", ".lakehouse", "reports", "data"))
        shutil.copytree(WEATHER / "data" / "raw", folder / "data" / "raw")
        draw("run.svg", output(folder, "run"))
        project = folder / "lakehouse.yaml"
        text = project.read_text()
        project.write_text(text.replace("change: {type: float64,", "change: {type: float64, nullable: false,"))
        draw("contract.svg", output(folder, "run"))
        project.write_text(
            text.replace("    key: id\n", "    kee: id\n").replace("  hottest_dates:", "  hotest_dates:")
        )
        draw("problems.svg", output(folder, "validate"))


if __name__ == "__main__":
    main()
