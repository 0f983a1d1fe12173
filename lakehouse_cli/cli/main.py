"""The entry point: the commands, and the one place where errors become text and exit codes."""

from __future__ import annotations

import atexit
import functools
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer

from lakehouse_cli.cli import exit_codes, options, output
from lakehouse_cli.cli.argument_values import take_plainly
from lakehouse_cli.cli.commands import NAMES, CommandGroup
from lakehouse_cli.cli.termination import Termination
from lakehouse_cli.errors import LakehouseError, SystemTroubleError, UnexpectedError, UsageError
from lakehouse_cli.executors.forks import end_process, keep_process
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.version import __version__

# Seconds that threads have which still go on when a command has done its work.
_PATIENCE_S = 5.0
# Set where a shell asks for completions.
_COMPLETION = "_LAKEHOUSE_COMPLETE"
_QUOTED = r"'(--?[\w-]+)'"

app = typer.Typer(
    name="lakehouse",
    cls=CommandGroup,
    help="Keep tables, and compute new tables from them: declare them in lakehouse.yaml, write each as a pure "
    "function, and run.",
    epilog="Start with `lakehouse init`, then `lakehouse run`. Each command's --help has examples.\n\n\b\n"
    "Exit codes (docs/exit-codes.md):\n"
    + "\n".join(f"  {code:<3}  {text}" for code, text in exit_codes.MEANINGS.items()),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        output.write(f"lakehouse {__version__}")
        raise typer.Exit


@app.callback()
@options.with_markdown
def _before_commands(
    settings: options.Settings,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del settings, version  # both have done their part


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def main(argv: Sequence[str] | None = None, on_work: Callable[[], None] | None = None) -> NoReturn:
    """Run the command line and exit with its code.

    Args:
        argv: Arguments without the program's name; `sys.argv`'s by default.
        on_work: Called when a command begins with what has to be ended in order; from then on Ctrl-C is to raise.
    """
    options.Current.on_work = on_work
    # Closed by the parent process; what is written there is nobody's.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    code = 0
    keep_process()
    try:
        code = _invoke(sys.argv[1:] if argv is None else list(argv))
        output.flush()
    except BrokenPipeError:
        # Of the help, which typer writes: the reader has seen enough.
        output.drop_results()
    except OSError as error:
        code = _report_trouble(error)
    _leave(code)


def _report_trouble(error: OSError) -> int:
    """Report what the system refuses; returns the exit code."""
    try:
        output.flush()  # fails again, where it was the help that could not be written, which typer writes
    except output.UnwrittenError as again:
        error = again
    if not isinstance(error, output.UnwrittenError):
        return options.report_error(SystemTroubleError(error))
    output.drop_results()
    output.write_stderr([f"error: the output cannot be written: {(error.strerror or 'unknown').lower()}"])
    return 1


def _leave(code: int) -> NoReturn:
    """End the process, as `sys.exit` does but for taking all that was loaded apart.

    Taking a thousand tables apart piece by piece takes longer than reading them did, and a thread of Arrow's that lets
    go of a file when the interpreter is half gone aborts the process, after all was done.
    """
    exits = sys.modules.get("lakehouse_cli.runs.exits")  # not loaded where nothing is written
    if exits is not None:
        exits.undo_unfinished()
    importing = sys.modules.get("lakehouse_cli.code.importing")  # not loaded where no code of the user's is run
    if importing is not None and importing.anything_imported():
        # What the user's code has begun and registered is waited for and called, as Python's own worker processes do at
        # their end (`multiprocessing.process.BaseProcess._bootstrap`).
        _wait_for_threads()
        getattr(atexit, "_run_exitfuncs", lambda: None)()
    output.Streams.lasting.close()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    end_process(code)


def _wait_for_threads() -> None:
    """Wait for threads that the user's code began; not for ever, since all that was asked for is done."""
    waiting = threading.Thread(target=_join_threads, daemon=True)
    waiting.start()
    waiting.join(_PATIENCE_S)
    if waiting.is_alive():
        names = ", ".join(thread.name for thread in _threads_to_wait_for())
        # As if they had printed it: that may have to be JSON.
        (sys.stderr or _nowhere()).write(f"ended with the command, though they went on: threads {names}\n")


def _join_threads() -> None:
    # What thread pools have registered ends the threads that wait for work.
    for call in reversed(getattr(threading, "_threading_atexits", ())):
        call()
    while threads := _threads_to_wait_for():
        threads[0].join()


def _threads_to_wait_for() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()]


def invoke(argv: Sequence[str]) -> int:
    """Run the command line; returns the exit code."""
    try:
        return _invoke(argv)
    finally:
        output.Streams.lasting.close()


@functools.cache
def _command() -> Any:
    return typer.main.get_command(app)


def _call(argv: Sequence[str]) -> Any:
    """Have typer parse the arguments and call the command; or answer a shell, which asks for what they may be."""
    command = _command()
    take_plainly()
    if asked := os.environ.get(_COMPLETION):
        from lakehouse_cli.cli.completion import answer

        return answer(command, asked)
    return command(args=list(argv), prog_name="lakehouse", standalone_mode=False)


def _invoke(argv: Sequence[str]) -> int:
    options.Current.reset()
    output.write_to(sys.stdout, sys.stderr)
    _output_before_parsing(argv)
    termination = Termination()
    try:
        with termination:
            result = _call(argv)
        code = result if isinstance(result, int) else 0
        if code == exit_codes.INTERRUPTED and not options.Current.interruption_reported:
            # Newer typers make this of Ctrl-C, without a word.
            output.write_stderr([termination.word])
        return code
    except SystemExit as leaving:
        # Of a closed pipe typer makes exit code 1, without a word.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        raise
    except LakehouseError as error:
        return options.report_error(error)
    except typer.Exit as exit_:
        return int(exit_.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        output.write_stderr([termination.word])
        return exit_codes.INTERRUPTED
    except _CLICK_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            output.write(_command().get_help(typer.Context(_command(), info_name="lakehouse")))
            return exit_codes.USAGE
        return options.report_error(_usage_error(error, argv))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it is reported
        if termination.came:  # of which a library made another exception
            output.write_stderr([termination.word])
            return exit_codes.INTERRUPTED
        return options.report_error(UnexpectedError(error))


# typer carries click's exceptions with it in some versions and imports click's in others.
_CLICK_ERROR: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def _output_before_parsing(argv: Sequence[str]) -> None:
    """Find the output even where the arguments are wrong, so that their error comes as JSON or Markdown."""
    words = [os.environ.get("LAKEHOUSE_OUTPUT", "")]
    words += [after for before, after in pairwise(argv) if before in ("-o", "--output")]
    words += [word.partition("=")[2] for word in argv if word.startswith("--output=")]
    words += [word[2:] for word in argv if word.startswith("-o")]
    for word in ("json", "markdown"):
        if word in words:
            options.settings(output=word)


def _usage_error(error: Any, argv: Sequence[str]) -> UsageError:
    """What typer says, in our manner: options in backticks, and of those that there are only what is close."""
    option = getattr(error, "option_name", None)
    known = getattr(error, "possibilities", None)
    if option is not None and known is not None:
        from difflib import get_close_matches

        from lakehouse_cli.cli.other_tools import option_hint

        close = [
            each for each in known if each.startswith(option) or each in get_close_matches(option, known, cutoff=0.8)
        ]
        params = error.ctx.command.get_params(error.ctx) if error.ctx is not None else ()
        hint = option_hint(option, {name for each in params for name in each.opts}) or did_you_mean(option, close)
        return UsageError(f"no such option: {option}", hint=hint or _help_of(error, argv))
    message = re.sub(_QUOTED, r"`\1`", error.format_message().rstrip("."))
    return UsageError(message[:1].lower() + message[1:], hint=_help_of(error, argv))


def _help_of(error: Any, argv: Sequence[str]) -> str:
    context = getattr(error, "ctx", None)
    # Of an option that takes no value, typer does not say whose it is.
    command = next((word for word in argv if word in NAMES), None)
    path = context.command_path if context is not None else " ".join(filter(None, ("lakehouse", command)))
    return f"`{path} --help` shows what it takes"
