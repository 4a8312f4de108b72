"""Features of a frozen backbone: their views, extraction and cache."""
