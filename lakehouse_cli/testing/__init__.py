"""Conformance suites that authors of storages, executors and reporters run against their own."""
