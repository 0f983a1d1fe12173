"""The only loop: ready → load → transform → check → publish → emit."""

from lakehouse_cli.runner.entry import WorkerSetup
from lakehouse_cli.runner.loop import Runner

__all__ = ["Runner", "WorkerSetup"]
