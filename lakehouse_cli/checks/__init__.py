"""The judgement of checks on data: in one pass, batch by batch, exact whatever their number."""
