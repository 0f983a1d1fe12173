"""Clusters: what travels to their workers, what these do with it, and the executor that leads them.

An engine such as Dask or Ray is an adapter of a page: `engine.Engine` says what it must do.
"""
