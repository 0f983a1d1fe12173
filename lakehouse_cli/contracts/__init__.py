"""Enforcement of declared columns: exact conversion, nulls, key.

Nothing here knows of pandas; what a frame's own library calls missing is settled in ``lakehouse_cli.transforms``.
"""

from lakehouse_cli.contracts.enforcement import Check, Enforced, Enforcement, check, enforce
from lakehouse_cli.contracts.findings import Findings

__all__ = ["Check", "Enforced", "Enforcement", "Findings", "check", "enforce"]
