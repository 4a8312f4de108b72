"""Several experts in one network."""
