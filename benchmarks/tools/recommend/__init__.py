"""Which strategy for these images: a search within a budget, and an answer with its evidence.

`candidates` lists what to try, `halving` with how many seeds, `search` trains the cells, `choice` picks by validation
rows, `evidence` reports on test rows, `words` phrases the answer; `saved` stores it for `export recommended`.
"""
