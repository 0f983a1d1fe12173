"""Executors, which compute transforms: `submit(fn, …) → Future`."""
