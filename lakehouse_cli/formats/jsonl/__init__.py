"""JSON Lines, an object a row (https://jsonlines.org), and JSON, one array of objects: typed and exact."""
