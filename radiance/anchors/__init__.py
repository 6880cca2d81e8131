"""Anchors: examples whose behaviour must survive, where they come from and what is kept of them.

Values and files only. What a model makes of an anchor is for training and evaluation to say.
"""
