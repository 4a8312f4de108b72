"""What every strategy promises, clause by clause: `python -m benchmarks check` and the tests run the same clauses.

The clauses stand in `clauses.py`, in the order in which they are tried; each of the other files holds the checks of
one kind. Nothing here names a strategy.
"""
