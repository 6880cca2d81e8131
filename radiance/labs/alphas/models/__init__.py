"""What a model writes: the decoding grammar, grading and reports."""
