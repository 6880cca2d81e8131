"""Documents that people send: read, split into passages, and kept as text with their places."""
