"""Which strategy for these images: a search within a budget, and an answer with its evidence.

`candidates` names what is tried, `halving` decides how often, `search` trains the cells, `choice` picks by validation
rows, `evidence` reports on test rows, `answer` says it all; `saved` keeps the answer for `export recommended`.
"""
