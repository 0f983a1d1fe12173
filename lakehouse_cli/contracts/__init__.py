"""Enforcement of declared columns: exact conversion, nulls, key.

Nothing here knows of pandas; what a frame's own library calls missing is settled in ``lakehouse_cli.transforms``.
"""

from lakehouse_cli.contracts.enforcement import Enforced, check, enforce

__all__ = ["Enforced", "check", "enforce"]
