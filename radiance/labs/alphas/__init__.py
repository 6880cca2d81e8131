"""The alpha desk: a language of alphas, its evaluation and backtest, curation, grading, serving.

It knows panels and expressions, and nothing of the service or of MLX: whoever wants text written
by a model hands in a ``generate`` callable.
"""
