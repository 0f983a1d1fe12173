"""The options every command takes, before or after the command's name, and what they come to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.cli import output
from lakehouse_cli.errors import LakehouseError, SystemTroubleError
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.text.name_lists import any_of
from lakehouse_cli.text.terminal import Terminal

if TYPE_CHECKING:
    from lakehouse_cli.plan.planned import Plan
    from lakehouse_cli.project.facade import Project

_Returned = TypeVar("_Returned")
_OUTPUTS = ("text", "json")
_OUTPUTS_OF_PAGES = (*_OUTPUTS, "markdown")


class Settings(Struct, frozen=True):
    """What the user asked for, on either side of the command's name."""

    project_dir: str | None = None
    module: str | None = None
    env: str | None = None
    output: str = "text"
    quiet: bool = False
    verbose: bool = False

    @property
    def json(self) -> bool:
        """Whether stdout takes one JSON document."""
        return self.output == "json"

    @property
    def markdown(self) -> bool:
        """Whether stdout takes one Markdown document."""
        return self.output == "markdown"

    @property
    def is_document(self) -> bool:
        """Whether stdout takes one document, and nothing beside it."""
        return self.output != "text"

    def project(
        self,
        *,
        thorough: bool = False,
        incomplete: bool = False,
        with_tests: bool = False,
        params: Mapping[str, Any] | None = None,
    ) -> Project:
        """Load the project these settings name.

        Args:
            thorough: Validate the tables in every environment, not in the chosen one alone.
            incomplete: Let variables be unset, for a look at what is declared.
            with_tests: Read the tests of transforms too.
            params: Values of params over those of the file, from `given_params`.

        Raises:
            LakehouseError: It is invalid, or not there.
        """
        from lakehouse_cli.project.facade import Project

        Current.project = Project.load(
            self.project_dir,
            env=self.env,
            thorough=thorough,
            incomplete=incomplete,
            with_tests=with_tests,
            declared=self.module,
            params=params,
        )
        return Current.project

    def project_file(self) -> Path:
        """Find the project's file; of one that a module declares, where it would be.

        Raises:
            ProjectError: There is none.
        """
        from lakehouse_cli.config.files import declared_project_file, project_file

        if self.module is None:
            return project_file(self.project_dir)
        return declared_project_file(self.project_dir, self.module)

    @property
    def stdout(self) -> Terminal:
        """What stdout can show."""
        return self._knowing_the_project(Terminal.of(output.Streams.stdout))

    @property
    def stderr(self) -> Terminal:
        """What stderr can show."""
        return self._knowing_the_project(Terminal.of(output.Streams.stderr))

    def _knowing_the_project(self, terminal: Terminal) -> Terminal:
        """A terminal whose commands name the project as this one does."""
        named = (("-C", self.project_dir), ("-m", self.module))
        given = [(flag, value) for flag, value in named if value is not None]
        if not given:
            return terminal
        from shlex import quote  # seldom needed

        options = [f"{flag} {quote(value)}" for flag, value in given]
        return replace(terminal, command=" ".join(("lakehouse", *options)))


class Current:
    """The state of this invocation, for the error boundary.

    Attributes:
        settings: As far as they were read.
        project: As last loaded; its secrets are masked in errors.
        plan: As last shown. It stays until the process ends: taking it apart takes as long as showing it.
        json_lines: Whether stderr takes one JSON object a line.
        interruption_reported: Whether the command itself reported that it was interrupted.
        on_work: Called once, when work begins.
    """

    settings = Settings()
    project: Project | None = None
    plan: Plan | None = None
    json_lines = False
    interruption_reported = False
    on_work: Callable[[], None] | None = None

    @classmethod
    def reset(cls) -> None:
        """Forget an earlier invocation in this process."""
        cls.settings, cls.project, cls.plan = Settings(), None, None
        cls.json_lines = cls.interruption_reported = False


def settings(**given: Any) -> Settings:
    """Update the settings by the options that were given, and return them."""
    Current.settings = replace(Current.settings, **{name: value for name, value in given.items() if value})
    return Current.settings


def work_begins() -> None:
    """Note that the command begins to change or compute something, which an interruption has to end in order."""
    call, Current.on_work = Current.on_work, None
    if call is not None:
        call()


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


def completed(kind: str | tuple[str, ...]) -> Callable[[Any, str], list[str]]:
    """The completion of a value: words, or a function of `lakehouse_cli.cli.completion`, which a shell alone loads."""

    def complete(ctx: Any, incomplete: str) -> list[str]:
        if isinstance(kind, tuple):
            return [*kind]
        from lakehouse_cli.cli import completion

        found: list[str] = getattr(completion, kind)(ctx, incomplete)
        return found

    complete.__annotations__ = {}  # typer would evaluate each text of them, for each option of a command
    return complete


def choice(words: tuple[str, ...], noun: str) -> Callable[[str | None], str | None]:
    """A callback of an option that takes one of some words."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in words:
            raise typer.BadParameter(f"`{value}` is not {noun}; use {any_of(words)}")
        return value

    check.__annotations__ = {}  # as those of `completed`
    return check


def _declared(name: str, type_: Any, default: Any, how: Any) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[type_, how])


_MODULE_HELP = (
    "Python module that declares the project in place of a lakehouse.yaml, or MODULE:NAME of its Lakehouse; it is "
    "imported from the current folder, or from DIR."
)
_FOLDER_HELP = "Folder of the project (else the nearest lakehouse.yaml here or above)."
_OUTPUT_HELP = {"json": "json: one document on stdout.", "markdown": "markdown: for a pull request."}


def _output_option(outputs: tuple[str, ...]) -> Any:
    help_ = " ".join(_OUTPUT_HELP[each] for each in outputs if each in _OUTPUT_HELP)
    return option(
        "-o",
        "--output",
        metavar="|".join(outputs),
        callback=choice(_OUTPUTS_OF_PAGES, "an output"),
        help=help_,
        autocompletion=completed(outputs),
    )


_MODULE = option("-m", "--module", metavar="MODULE", help=_MODULE_HELP, autocompletion=completed("modules"))
ENVIRONMENTS = completed("environments")
_ENV = option("-e", "--env", metavar="NAME", help="Environment to work in.", autocompletion=ENVIRONMENTS)
_EVERYWHERE = (
    _declared("project_dir", str | None, None, option("-C", "--project-dir", metavar="DIR", help=_FOLDER_HELP)),
    _declared("module", str | None, None, _MODULE),
    _declared("env", str | None, None, _ENV),
    _declared("output", str | None, None, _output_option(_OUTPUTS)),
    _declared("quiet", bool, False, option("-q", "--quiet", help="Say only what went wrong.")),
    _declared("verbose", bool, False, option("-v", "--verbose", help="Say more; full tracebacks.")),
)
_TERMS_HELP = (
    "Tables: a, +a (and all upstream), a+ (and all downstream), 2+a+1, stg_*, tag:x; several are a union, "
    "a comma is an intersection. None: every table."
)
_EXCLUDE_HELP = "Leave these out; one selection, and again for each more: --exclude a --exclude b."
SELECTION = completed("selection")
_TERMS = typer.Argument(
    metavar="SELECTION",
    envvar="LAKEHOUSE_SELECTION",
    show_envvar=False,
    help=_TERMS_HELP,
    show_default=False,
    autocompletion=SELECTION,
)
_SELECT = option("-s", "--select", metavar="SELECTION", help="The same as an option.", autocompletion=SELECTION)
_EXCLUDE = option("--exclude", metavar="SELECTION", help=_EXCLUDE_HELP, autocompletion=SELECTION)
_REQUEST = (
    _declared("selection", list[str] | None, None, _TERMS),
    _declared("select", list[str] | None, None, _SELECT),
    _declared("exclude", list[str] | None, None, _EXCLUDE),
)
_DEFER_HELP = "Read inputs that are neither selected nor materialized here from this environment."
_PARAM_HELP = "The value of a param for this command, over those of the file; repeatable."
_PARAM = option("--param", metavar="NAME=VALUE", help=_PARAM_HELP, autocompletion=completed("params"))
Params = Annotated[list[str] | None, _PARAM]
_PARTITION_HELP = (
    "Partitions: month=2024-01, or month=2024-01..2024-06; repeatable. Values of one dimension add up; those of "
    "several must all be met."
)
_PARTITION = option("--partition", metavar="NAME=VALUE", help=_PARTITION_HELP, autocompletion=completed("dimensions"))
Partitions = Annotated[list[str] | None, _PARTITION]
AsOf = Annotated[
    str | None, option("--as-of", metavar="TIME", help="The moment that stands for now, such as 2024-03-01T06:00Z.")
]
Defer = Annotated[str | None, option("--defer", metavar="ENV", help=_DEFER_HELP, autocompletion=ENVIRONMENTS)]
_EXECUTOR_HELP = "threads, serial, processes, dask or ray."
_EXECUTOR = option("--executor", metavar="NAME", help=_EXECUTOR_HELP, autocompletion=completed("executors"))
Executor = Annotated[str | None, _EXECUTOR]


def given_params(written: list[str] | None) -> dict[str, Any]:
    """What `--param` gives, by name.

    Raises:
        typer.BadParameter: One is no name and value, or a name is given twice.
    """
    from lakehouse_cli.config.params import GivenText

    found: dict[str, Any] = {}
    for each in written or ():
        name, is_given, value = each.partition("=")
        if not is_given or not name:
            raise typer.BadParameter("write a name, `=` and a value: `--param month=2025-10`", param_hint="`--param`")
        if name in found:
            raise typer.BadParameter(f"`{name}` is given twice", param_hint="`--param`")
        found[name] = GivenText(value)
    return found


def everywhere(command: Callable[..., _Returned], outputs: tuple[str, ...] = _OUTPUTS) -> Callable[..., _Returned]:
    """Give a command the options that every command has, after its own, and pass them as its first argument.

    A command with a parameter `request` takes a selection too, and gets it as a `RunRequest`.

    Args:
        command: The command.
        outputs: What `-o` may be.
    """
    # Annotations are texts until they are evaluated where the command stands.
    whole = inspect.signature(command, eval_str=True)
    own = [each for name, each in whole.parameters.items() if name not in ("settings", "request")]
    selecting = _REQUEST if "request" in whole.parameters else ()

    @functools.wraps(command)
    def with_settings(**given: Any) -> _Returned:
        try:
            given["settings"] = settings(**{each.name: given.pop(each.name) for each in _EVERYWHERE})
            if (wanted := Current.settings.output) not in outputs:
                Current.settings = replace(Current.settings, output=_OUTPUTS[0])  # of the error
                message = f"`{wanted}` is not an output of this command; use {any_of(outputs)}"
                raise typer.BadParameter(message, param_hint="`-o`")
            if selecting:
                given["request"] = _request(**{each.name: given.pop(each.name) for each in selecting})
            return command(**given)
        except output.UnwrittenError:
            raise
        except OSError as error:
            raise SystemTroubleError(error) from error

    common = [
        each if each.name != "output" else _declared("output", str | None, None, _output_option(outputs))
        for each in _EVERYWHERE
    ]
    vars(with_settings)["__signature__"] = whole.replace(parameters=[*selecting, *own, *common])
    with_settings.__annotations__ = {}
    return with_settings


#: As `everywhere`, of a command that writes Markdown too, or that takes the options of those that do.
with_markdown = functools.partial(everywhere, outputs=_OUTPUTS_OF_PAGES)


def _request(selection: list[str] | None, select: list[str] | None, exclude: list[str] | None) -> RunRequest:
    return RunRequest(selection=(*(selection or ()), *(select or ())), exclude=tuple(exclude or ()))


def report_error(error: LakehouseError, *, would_run: bool = True) -> int:
    """Report an error as text or JSON, without the values of variables; returns the exit code.

    Args:
        error: What went wrong.
        would_run: Whether it is worth saying of an invalid project that nothing ran.
    """
    from lakehouse_cli.rendering.reporters.problems import error_json, error_lines
    from lakehouse_cli.text.redaction import masked_error

    if Current.project is not None:
        error = masked_error(error, Current.project.planner.mask)
    current = Current.settings
    if current.json:
        output.write_json({"error": error_json(error)})
    elif current.markdown:
        from lakehouse_cli.rendering.pages import error_page

        output.write_markdown(error_page(error, would_run=would_run))
    elif Current.json_lines:
        output.write_stderr([output.json_line("error", error=error_json(error))])
    else:
        output.write_stderr(error_lines(current.stderr, error, verbose=current.verbose, would_run=would_run))
    return error.exit_code
