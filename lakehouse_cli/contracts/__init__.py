"""Holding data to their declared columns: exact conversion, nulls, key.

Nothing here knows of pandas; what a frame's own library calls missing is settled in ``lakehouse_cli.transforms``.
"""

from lakehouse_cli.contracts.holding import Held, check, hold

__all__ = ["Held", "check", "hold"]
