"""The file layouts that datasets are read from."""
