"""Training data for models that write alphas."""
