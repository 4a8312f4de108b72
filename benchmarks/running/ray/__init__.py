"""Run a plan on a Ray cluster."""
