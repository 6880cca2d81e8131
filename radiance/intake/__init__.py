"""What people send to be learned: checked at the door, then kept as durable jobs.

It knows nothing of HTTP or of models; what a model can take in is measured by a callback.
"""
