"""The checkpoints: committed once, never changed, and one pointer to the one that is served.

It knows files and rows, not models; who trains a checkpoint and who loads it is not its concern.
"""
