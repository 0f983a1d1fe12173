"""What packages can bring to lakehouse beside storages; and the frames that transforms take."""

from lakehouse_annex.rows import Rows

__all__ = ["Rows"]
