"""Alphas as plans: closed choices that compile by a rule, to an expression and to a sentence."""
