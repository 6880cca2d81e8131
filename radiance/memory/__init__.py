"""The memory of what was accepted: found again by words, at once, and sure enough to answer."""
