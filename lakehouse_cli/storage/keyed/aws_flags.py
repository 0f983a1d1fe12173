"""What is yes or no about reaching S3: a storage's options, then the variables of the environment.

Decided here for every client: ``obstore`` looks for ``AWS_ALLOW_HTTP`` only where it is given no options of its own,
and what delta-rs is given goes before the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

_YES = ("1", "true", "on", "yes", "y")


def aws_flags(options: Mapping[str, Any]) -> dict[str, bool]:
    """Whether S3 is reached without TLS, unsigned, and with the bucket in the URL's host, as clients call these."""
    path_style = options.get("path_style")
    decided = {
        "allow_http": options.get("allow_http"),
        "skip_signature": options.get("anonymous"),
        "virtual_hosted_style_request": None if path_style is None else not path_style,
    }
    return {name: _is_set(name) if option is None else bool(option) for name, option in decided.items()}


def _is_set(flag: str) -> bool:
    return os.environ.get(f"AWS_{flag.upper()}", "").lower() in _YES
