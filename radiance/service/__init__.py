"""A running service: its parts built in order, its server process, its crash counter."""
