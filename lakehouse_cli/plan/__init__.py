"""What is to be computed and why: graph, selection, snapshot, recipes, reasons."""
