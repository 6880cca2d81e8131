"""Values of alphas on daily bars: panels, windows, ranks, the evaluator."""
