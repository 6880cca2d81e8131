"""The finance labs, extensions of the service: the core imports nothing of them."""
