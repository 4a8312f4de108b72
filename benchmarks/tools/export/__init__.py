"""A trained cell as a folder that works without this package, and predictions with such a folder."""
