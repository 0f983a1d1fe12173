"""`lakehouse` and `python -m lakehouse_cli`."""

from __future__ import annotations

import gc
import os

TYPE_CHECKING = False
_end_process = os._exit  # before code of the user's is kept from it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


def main() -> NoReturn:
    """Load the command line, which takes most of the time of a short command, and run it.

    Ctrl-C ends the process at once until a command begins with what has to be ended in order: an exception in the
    middle of an import may be turned into another one, or be lost, and commands load what they need as they need it.
    """
    # What is loaded until a command has its project lives as long as the process; looking for garbage among it
    # takes a fifth of the time of `lakehouse ls`. A run collects as usual.
    gc.disable()
    try:
        import signal

        previous = signal.getsignal(signal.SIGINT)

        def raise_interruptions() -> None:
            signal.signal(signal.SIGINT, previous)

        if previous is signal.default_int_handler:
            signal.signal(signal.SIGINT, _ending())
        from lakehouse_cli.cli.main import main as run_command_line

        run_command_line(on_work=raise_interruptions)
    except KeyboardInterrupt:
        _ending()()


def _ending() -> Callable[..., NoReturn]:
    """Make what reports an interruption on stderr as it is now, wherever that leads by then, and ends all."""
    try:
        stderr = os.dup(2)
    except OSError:  # closed
        stderr = 2

    def end(*signal_and_frame: Any) -> NoReturn:
        del signal_and_frame
        try:
            os.write(stderr, b"interrupted\n")
        finally:
            _end_process(130)

    return end


if __name__ == "__main__":
    main()
