"""From the name of a transform to a function, and from Arrow to its frames and back."""
