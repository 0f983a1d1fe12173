"""What is done with stored tables beside running: comparing, copying, cleaning, previews."""
