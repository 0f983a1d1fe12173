"""Enforcement of declared columns: exact conversion, nulls, key.

Nothing here knows of pandas; what a frame's own library calls missing is settled in ``lakehouse_cli.transforms``.
"""

from lakehouse_cli.contracts.enforcement import Enforced, check, enforce
from lakehouse_cli.contracts.findings import Findings

__all__ = ["Enforced", "Findings", "check", "enforce"]
