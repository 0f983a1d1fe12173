"""Files in a local folder."""

from __future__ import annotations

from lakehouse_cli.storage_types.spec import StorageType

FILES = StorageType("files", "lakehouse_cli.storage.local.storage:FileStorage", root="folder", formats=True)
