"""Other programs that run projects; each module is loaded by those who import it, and by nothing else here."""
