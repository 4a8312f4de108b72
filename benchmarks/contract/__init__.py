"""The contract that every strategy must keep, as clauses that both `python -m benchmarks check` and the tests run.

`clauses.py` registers and evaluates clauses; `values.py`, `tensors.py` and `training.py` define them; the other modules
provide the inputs to test a strategy on. No strategy is named here.
"""
