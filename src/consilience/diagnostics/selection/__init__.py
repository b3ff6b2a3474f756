"""Were the studies that we see selected by their results? Models of the selection, and what the answer would be without it."""
