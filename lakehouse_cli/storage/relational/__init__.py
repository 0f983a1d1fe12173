"""Tables in databases: what these share (`base`, `session`, `fitting`), and one module for each database."""
