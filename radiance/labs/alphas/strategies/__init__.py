"""Python strategies for QuantConnect's API: type check, sandboxed run, grades."""
