"""Tests of transforms: rows given, the transform called on them, its result compared with the rows expected."""
