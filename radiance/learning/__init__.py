"""From queued jobs to a served checkpoint: the learning cycle, and when it may run."""
