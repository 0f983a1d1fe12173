"""`lakehouse` and `python -m lakehouse_cli`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def main() -> NoReturn:
    """Load the command line, which takes most of the time of a short command, and run it.

    Ctrl-C before it is loaded ends the process at once: an exception in the middle of an import may be turned into
    another one, or be lost.
    """
    try:
        import signal

        previous = signal.getsignal(signal.SIGINT)
        if previous is signal.default_int_handler:
            signal.signal(signal.SIGINT, _end)
        from lakehouse_cli.cli.main import main as run_command_line

        if previous is signal.default_int_handler:
            signal.signal(signal.SIGINT, previous)
        run_command_line()
    except KeyboardInterrupt:
        _end()


def _end(*signal_and_frame: Any) -> NoReturn:
    del signal_and_frame
    import os

    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
