"""Files in local folders."""
