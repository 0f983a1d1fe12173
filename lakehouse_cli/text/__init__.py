"""Text for people: terminal, printing, counts, lists, redaction."""
