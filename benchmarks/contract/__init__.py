"""The contract that every strategy keeps, as clauses: `python -m benchmarks check` and the tests run the same ones.

`clauses.py` registers and judges; the clauses are in `values.py`, `tensors.py` and `training.py`; the others are what
they try a strategy on. Nothing here names a strategy.
"""
