"""Where transforms are computed: `submit(fn, …) → Future`."""
