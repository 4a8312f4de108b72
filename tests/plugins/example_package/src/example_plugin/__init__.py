"""A strategy and a backbone that live outside of the suite."""
