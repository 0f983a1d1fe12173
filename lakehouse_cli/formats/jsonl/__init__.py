"""JSON Lines, an object a row (https://jsonlines.org), typed by the declared columns and exact."""
