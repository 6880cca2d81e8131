"""The alpha lab: a language of alphas, its evaluation and backtest, curation, grading, serving.

``language``, ``values``, ``results`` and ``data`` know panels and expressions, and nothing of a
model; ``models`` asks one and grades it; ``extension`` is what the service sees of it all.
"""
