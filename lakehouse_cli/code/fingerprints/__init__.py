"""Fingerprints of transforms from their source, never executing it. See docs/fingerprints.md and ADR 7.

What takes fingerprints (`fingerprint`) and what explains how two differ (`explanation`) are imported by those who do: a
command that finds every fingerprint kept needs neither.
"""

from lakehouse_cli.code.fingerprints.value import CodeFingerprint, has_unseen

__all__ = ["CodeFingerprint", "has_unseen"]
