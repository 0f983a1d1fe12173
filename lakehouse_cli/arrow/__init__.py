"""Arrow: types, values without pandas, exact conversion."""
