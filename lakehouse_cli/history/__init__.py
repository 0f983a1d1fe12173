"""The history of runs: each run's events as one file of JSON Lines, and what is read off them.

The files are ``.lakehouse/runs/<run id>.jsonl`` in the project's folder; docs/history.md has their schema.
"""

from lakehouse_cli.history.reading import durations, last_result, memory, read, runs, table_history
from lakehouse_cli.history.records import RecordStatus, RunList, RunRecord, RunSummary, TableHistory, TableTime
from lakehouse_cli.history.writing import KEPT, HistoryWriter

__all__ = [
    "KEPT",
    "HistoryWriter",
    "RecordStatus",
    "RunList",
    "RunRecord",
    "RunSummary",
    "TableHistory",
    "TableTime",
    "durations",
    "last_result",
    "memory",
    "read",
    "runs",
    "table_history",
]
