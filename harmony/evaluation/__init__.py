"""Evaluation against ground truth (`python -m harmony.evaluation`).

`metrics` holds pure functions, `flow` and `perceptual` the networks that two of them need,
`run` the loop over objects, `report` the tables and plots.
"""
