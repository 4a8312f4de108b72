"""What may be wrong with a dataset: its files, its duplicates, the names and sizes of its classes."""
