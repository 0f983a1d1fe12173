"""Fingerprints of transforms from their source, never executing it. See docs/fingerprints.md and ADR 7."""

from lakehouse_cli.fingerprints.explaining import explain
from lakehouse_cli.fingerprints.fingerprint import CodeFingerprint, Fingerprinter

__all__ = ["CodeFingerprint", "Fingerprinter", "explain"]
