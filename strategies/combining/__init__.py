"""Strategy expressions: parsing and joining."""
