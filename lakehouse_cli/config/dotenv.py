r"""A file `.env` beside the project file: variables for ``${VAR}`` that the process does not have.

The grammar is what the many readers of such files agree on, and no more: ``NAME=value``, one a line, ``export`` before
it if you like; ``#`` begins a comment at the start of a line or after a space; ``'…'`` is taken as it stands; between
double quotes the escapes ``\n``, ``\r``, ``\t``, ``\"``, ``\\`` and ``\$`` count. Nothing is filled in from other
variables.

Read when the first variable is asked for that the process does not have; a file that no project needs is no problem
of the project's. No message and no excerpt shows what stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from lakehouse_cli.config.problems import Problems
from lakehouse_cli.errors import Location
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.regular_files import read_regular

ENV_FILE = ".env"
# Compiled where there is such a file.
_NAMED = r"(?s)(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)"
_QUOTED = r"""(?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)")\s*(?:#.*)?"""
_ESCAPE = r"\\(.)"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_COMMENT = r"(?:^|\s+)#.*"
_MAX_BYTES = 1_000_000


class DotEnv:
    """The variables of a process over those of the file.

    Args:
        environ: The process's; it wins.
        folder: Where the file is, if it is.
        problems: Takes what is wrong with the file, once it is needed.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path, problems: Problems) -> None:
        self._environ = environ
        self._file = folder / ENV_FILE
        self._problems = problems

    def get(self, name: str) -> str | None:
        """The value of a variable; None where it is not set."""
        found = self._environ.get(name)
        return self._own.get(name) if found is None else found

    @property
    def set_it(self) -> str:
        """How a variable that is not set can be set."""
        if self._file.is_dir():
            return f"set it in the process (`{ENV_FILE}` is a folder here, and only a file has variables)"
        return f"set it (a file `{ENV_FILE}` will do)"

    @cached_property
    def _own(self) -> dict[str, str]:
        # A folder of that name is somebody's virtual environment.
        if self._file.is_dir():
            return {}
        try:
            text = read_regular(self._file, _MAX_BYTES).decode("utf-8-sig")
        except FileNotFoundError:
            return {}
        except OSError as error:
            reason = system_reason(error)
            hint = "make it a file of variables that can be read, or set the variables in the process"
            self._report(f"`{ENV_FILE}` cannot be read: {reason}", hint)
            return {}
        except UnicodeDecodeError:
            self._report(f"`{ENV_FILE}` is not UTF-8", "save it as UTF-8")
            return {}
        return self._parsed(text)

    def _report(self, message: str, hint: str, line: int | None = None, column: int | None = None) -> None:
        # Without the line's text, which may hold a password.
        self._problems.report(message, hint, Location(ENV_FILE, line, column))

    def _parsed(self, text: str) -> dict[str, str]:
        values: dict[str, str] = {}
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue
            column = len(line) - len(line.lstrip()) + 1
            match = re.fullmatch(_NAMED, stripped)
            if match is None:
                hint = "write `NAME=value`, or `#` before a comment"
                self._report(f"line {number} of `{ENV_FILE}` sets no variable", hint, number, column)
                continue
            name, value = match["name"], _value(match["value"])
            if value is None:
                hint = f'close the quotes on the same line, with nothing but a comment after them; `{name}="…"`'
                message = f"the value of `{name}` in `{ENV_FILE}` has quotes that do not fit"
                self._report(message, hint, number, column + match.start("value"))
            else:
                values[name] = value
        return values


def _value(text: str) -> str | None:
    """The value that stands behind the `=`; None where its quotes do not fit."""
    if not text.startswith(("'", '"')):
        return re.sub(_COMMENT, "", text, count=1).rstrip()
    match = re.fullmatch(_QUOTED, text)
    if match is None or match["single"] is not None:
        return None if match is None else match["single"]
    return re.sub(_ESCAPE, lambda m: _ESCAPES.get(m[1], m[0]), match["double"])
