"""The only loop: ready → load → transform → check → publish → emit."""

from lakehouse_cli.runner.loop import Runner, new_run_id
from lakehouse_cli.runner.workplace import WorkerSetup

__all__ = ["Runner", "WorkerSetup", "new_run_id"]
