"""From waiting requests to tokens: batch, sampling, constraints, prefix cache, stop strings."""
