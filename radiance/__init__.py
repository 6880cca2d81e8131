"""Radiance: an always-on local LLM service that learns from what it is told."""

__version__ = "0.1.0"
