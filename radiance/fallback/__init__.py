"""Answers from elsewhere, when the local model cannot give one: off unless configured.

Nothing leaves the machine but to the addresses in ``chain.upstreams``, and keys come from the
environment, are sent to their own upstream alone, and are in no log and no error.
"""
