"""What is yes or no about reaching S3: a storage's options, then the variables of the environment.

Decided here for every client: ``obstore`` looks for ``AWS_ALLOW_HTTP`` only where it is given no options of its own,
and what delta-rs is given goes before the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

_YES = ("1", "true", "on", "yes", "y")


def allows_http(options: Mapping[str, Any]) -> bool:
    """Whether the endpoint may be reached without TLS."""
    return _decided(options.get("allow_http"), "AWS_ALLOW_HTTP")


def is_anonymous(options: Mapping[str, Any]) -> bool:
    """Whether requests go unsigned."""
    return _decided(options.get("anonymous"), "AWS_SKIP_SIGNATURE")


def is_virtual_hosted(options: Mapping[str, Any]) -> bool:
    """Whether the bucket stands in the URL's host instead of its path."""
    path_style = options.get("path_style")
    return _decided(None if path_style is None else not path_style, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST")


def _decided(option: object, variable: str) -> bool:
    return bool(option) if option is not None else os.environ.get(variable, "").lower() in _YES
