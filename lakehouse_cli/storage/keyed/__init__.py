"""Bytes under keys: object stores and memory."""
