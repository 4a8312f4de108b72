"""`export` and `predict`: models to take along."""
