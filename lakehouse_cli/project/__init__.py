"""The facade: a project is loaded, planned, run and read through here."""
