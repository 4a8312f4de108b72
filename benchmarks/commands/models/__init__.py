"""`export` and `predict`: use trained models elsewhere."""
