"""What alphas earn: the backtest, its performance figures, a study of many."""
