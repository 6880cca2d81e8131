"""The language of formulaic alphas: syntax, parser, type checker, operators, semantics."""
