"""Fingerprints of transforms from their source, never executing it. See docs/fingerprints.md and ADR 7."""

from lakehouse_cli.fingerprints.explaining import explain
from lakehouse_cli.fingerprints.fingerprint import CodeFingerprint, Fingerprinter
from lakehouse_cli.fingerprints.unseen import has_unseen

__all__ = ["CodeFingerprint", "Fingerprinter", "explain", "has_unseen"]
