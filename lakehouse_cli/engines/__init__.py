"""Engines that compute over Arrow data: what their types and values become in Arrow."""
