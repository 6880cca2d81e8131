"""Durable storage: the only package that writes files for keeps and the only one that opens SQLite.

It knows bytes, paths and tables, not jobs or checkpoints. When one of its calls has returned, the
change survives a killed process and a lost supply of power; before that, it has either happened
wholly or not at all.
"""
