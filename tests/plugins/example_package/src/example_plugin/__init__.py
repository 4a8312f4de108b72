"""A strategy, a backbone and a dataset outside of the suite."""
