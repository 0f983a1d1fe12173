"""What an editable install holds beside the path of the checkout."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EditableHook(BuildHookInterface):
    """Leaves the templates out of editable installs: they are read from the checkout.

    pytest takes the files of a distribution that has a plugin for modules whose assertions it rewrites. Of an editable
    one it would see none but those of the templates, and import every project's `transforms` by itself.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Replace what is included by force; it may not be nothing."""
        if version == "editable":
            build_data["force_include_editable"] = {"LICENSE": "lakehouse_cli_editable/LICENSE"}
