"""The options every command takes, before or after the command's name."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer
from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError, SystemTroubleError
from lakehouse_cli.text.terminal import Terminal, fitted, holds_marks

if TYPE_CHECKING:
    from lakehouse_cli.project.facade import Project


_Returned = TypeVar("_Returned")


class UnwrittenError(OSError):
    """Results cannot be written where they are to go; any other `OSError` is of something else."""


class Output(StrEnum):
    """How results are written to stdout."""

    text = "text"
    json = "json"


def _output(value: str | None) -> str | None:
    if value is not None and value not in list(Output):
        raise typer.BadParameter(f"`{value}` is not an output; use text or json")
    return value


def option(*names: str, help: str, **more: Any) -> Any:  # noqa: A002  # as typer calls it
    """An option of a command, which can be set as ``LAKEHOUSE_…`` too: `--dry-run` as ``LAKEHOUSE_DRY_RUN``.

    Args:
        names: Of the option, one of them long.
        help: For `--help`.
        more: As `typer.Option` takes it.
    """
    long = next(name for name in names if name.startswith("--"))
    variable = f"LAKEHOUSE_{long.removeprefix('--').replace('-', '_').upper()}"
    return typer.Option(*names, help=help, envvar=variable, show_envvar=False, **more)


def _declared(name: str, type_: Any, default: Any, *names: str, **how: Any) -> inspect.Parameter:
    annotation = Annotated[type_, option(*names, **how)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_FOLDER_HELP = "Folder of the project (else the nearest lakehouse.yaml here or above)."
_OUTPUT_HELP = "json: one document on stdout."
_EVERYWHERE = (
    _declared("project_dir", str | None, None, "-C", "--project-dir", metavar="DIR", help=_FOLDER_HELP),
    _declared("env", str | None, None, "-e", "--env", metavar="NAME", help="Environment to work in."),
    _declared("output", str | None, None, "-o", "--output", metavar="text|json", callback=_output, help=_OUTPUT_HELP),
    _declared("quiet", bool, False, "-q", "--quiet", help="Say only what went wrong."),
    _declared("verbose", bool, False, "-v", "--verbose", help="Say more; full tracebacks."),
)


def everywhere(command: Callable[..., _Returned]) -> Callable[..., _Returned]:
    """Give a command the options that every command has, after its own; what they come to is its first argument."""

    @functools.wraps(command)
    def with_settings(**given: Any) -> _Returned:
        try:
            return command(settings(**{each.name: given.pop(each.name) for each in _EVERYWHERE}), **given)
        except UnwrittenError:
            raise
        except OSError as error:
            raise SystemTroubleError(error) from error

    # Annotations are texts until they are evaluated where the command stands.
    whole = inspect.signature(command, eval_str=True)
    own = [each for each in whole.parameters.values() if each.name != "settings"]
    vars(with_settings)["__signature__"] = whole.replace(parameters=[*own, *_EVERYWHERE])
    with_settings.__annotations__ = {}
    return with_settings


Selection = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SELECTION",
        envvar="LAKEHOUSE_SELECTION",
        show_envvar=False,
        help="Tables: a, +a (and all upstream), a+ (and all downstream), 2+a+1, stg_*, tag:x; several are a union, "
        "a comma is an intersection. None: every table.",
        show_default=False,
    ),
]
SelectOption = Annotated[
    list[str] | None,
    option(
        "-s",
        "--select",
        metavar="SELECTION",
        help="The same as an option.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    option(
        "--exclude",
        metavar="SELECTION",
        help="Leave these out; one selection, and again for each more: --exclude a --exclude b.",
    ),
]
Defer = Annotated[
    str | None,
    option(
        "--defer",
        metavar="ENV",
        help="Read inputs that are neither selected nor materialized here from this environment.",
    ),
]


class Settings(Struct, frozen=True):
    """What the user asked for, whichever side of the command's name it stands on."""

    project_dir: str | None = None
    env: str | None = None
    output: str = "text"
    quiet: bool = False
    verbose: bool = False

    def with_options(
        self, project_dir: str | None, env: str | None, output: str | None, quiet: bool, verbose: bool
    ) -> Settings:
        """The settings with what was given here over what was given before."""
        return replace(
            self,
            project_dir=project_dir or self.project_dir,
            env=env or self.env,
            output=output or self.output,
            quiet=quiet or self.quiet,
            verbose=verbose or self.verbose,
        )

    @property
    def json(self) -> bool:
        """Whether stdout takes one JSON document."""
        return self.output == Output.json

    def project(self, *, thorough: bool = False, incomplete: bool = False) -> Project:
        """Load the project these settings name.

        Args:
            thorough: Hold the tables to every environment, not to the chosen one alone.
            incomplete: Let variables be unset, for a look at what is declared.

        Raises:
            LakehouseError: It is invalid, or not there.
        """
        from lakehouse_cli.project.facade import Project

        _Current.project = Project.load(self.project_dir, env=self.env, thorough=thorough, incomplete=incomplete)
        return _Current.project

    @property
    def stdout(self) -> Terminal:
        """What stdout can show."""
        return Terminal.of(_Current.stdout)

    @property
    def stderr(self) -> Terminal:
        """What stderr can show."""
        return Terminal.of(_Current.stderr)


class _Current:
    """What is known of this invocation; the error boundary reads it after a command has failed.

    Attributes:
        settings: As far as they were read.
        project: As it was last loaded; its secrets are in no error.
        json_lines: Whether stderr takes JSON only, an object a line.
        interruption_told: Whether the command itself has told that it was interrupted.
        stdout: Where results go. What `sys.stdout` is by then, the user's code may have a hand in.
        stderr: Where goes what we complain of.
        lasting: What is entered until the end of the invocation.
        on_work: Called when work begins.
    """

    settings = Settings()
    project: Project | None = None
    json_lines = False
    interruption_told = False
    stdout = sys.stdout
    stderr = sys.stderr
    lasting = ExitStack()
    on_work: Callable[[], None] | None = None


def start() -> None:
    """Forget the settings of an earlier invocation in this process."""
    write_to(sys.stdout, sys.stderr)
    _Current.settings = Settings()
    _Current.project = None
    _Current.json_lines = False
    _Current.interruption_told = False


def end() -> None:
    """Leave what was entered until the end of the invocation."""
    _Current.lasting.close()


def until_the_end() -> ExitStack:
    """Takes what is left at the end of the invocation, or when this is asked for again, but not at once.

    Threads that transforms began, and what they had called at the end, print when a command has done its work.
    """
    end()
    _Current.lasting.callback(write_to, _Current.stdout, _Current.stderr)
    return _Current.lasting


def write_to(stdout: TextIO, stderr: TextIO) -> None:
    """Have results, and what we complain of, go to these streams."""
    _Current.stdout, _Current.stderr = stdout, stderr


def on_work(call: Callable[[], None] | None) -> None:
    """Have a function called when this process begins with what has to be ended in order."""
    _Current.on_work = call


def work_begins() -> None:
    """From here on the command changes something, or computes, and an interruption has to end that in order."""
    call, _Current.on_work = _Current.on_work, None
    if call is not None:
        call()


def json_lines_on_stderr() -> None:
    """From now on stderr takes JSON only."""
    _Current.json_lines = True


def tell_no_interruption() -> None:
    """The command itself has told that it was interrupted."""
    _Current.interruption_told = True


def interruption_is_told() -> bool:
    """Whether nothing is left to tell of an interruption."""
    return _Current.interruption_told


def settings(
    project_dir: str | None = None,
    env: str | None = None,
    output: str | None = None,
    quiet: bool = False,
    verbose: bool = False,
) -> Settings:
    """The settings so far, with these options over them."""
    _Current.settings = _Current.settings.with_options(project_dir, env, output, quiet, verbose)
    return _Current.settings


def chosen(selection: list[str] | None, select: list[str] | None) -> tuple[str, ...]:
    """The union of positional terms and ``--select``."""
    return (*(selection or ()), *(select or ()))


def write(text: str = "") -> None:
    """Write a line of the result to stdout."""
    _put(_Current.stdout, fitted(text, _Current.stdout) + "\n")


def write_json(document: Any) -> None:
    """Write the one JSON document of this invocation to stdout."""
    import json

    text = json.dumps(document, indent=2, ensure_ascii=not holds_marks(_Current.stdout))
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
        text = json.dumps(document, indent=2)
    _put(_Current.stdout, text + "\n")


def flush() -> None:
    """Have what was written of the result appear."""
    _put(_Current.stdout, "", flush=True)


def _put(stream: TextIO, text: str, *, flush: bool = False) -> None:
    """Write; where nobody reads on (`head`, a closed pager), the command goes on and its exit code tells."""
    try:
        stream.write(text)
        if flush:
            stream.flush()
    except BrokenPipeError:
        _drop(stream)
    except OSError as error:
        raise UnwrittenError(error.errno, error.strerror) from error


def drop_results() -> None:
    """Have what stdout still holds, and what is written there later, go nowhere."""
    _drop(_Current.stdout)


def _drop(stream: TextIO) -> None:
    # Else it would be tried again at the end.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def tell_error(error: LakehouseError, *, would_run: bool = True) -> int:
    """Tell an error as text or JSON, without the values of variables; returns the exit code.

    Args:
        error: What went wrong.
        would_run: Whether it is worth saying of an invalid project that nothing ran.
    """
    from lakehouse_cli.rendering.reporters.problems import error_json, error_lines
    from lakehouse_cli.text.redaction import masked_error

    if _Current.project is not None:
        error = masked_error(error, _Current.project.mask)
    current = settings()
    if current.json:
        write_json({"error": error_json(error)})
    elif _Current.json_lines:
        import json
        from datetime import UTC, datetime

        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        complain([json.dumps({"event": "error", "at": at, "error": error_json(error)})])
    else:
        complain(error_lines(current.stderr, error, verbose=current.verbose, would_run=would_run))
    return error.exit_code


def complain(lines: Sequence[str]) -> None:
    """Write lines to stderr; where that takes none, the exit code is all that tells."""
    if lines:
        try:
            _Current.stderr.write("".join(fitted(line, _Current.stderr) + "\n" for line in lines))
        except OSError:
            _drop(_Current.stderr)
