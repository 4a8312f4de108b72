"""The file layouts in which datasets come."""
