"""Imported last in the process that others are forked from: what it has is garbage to none of them.

A collection looks at every object, and of a forked process that copies the memory they lie in; a
service collects once it has started.
"""

import gc

gc.collect()
gc.freeze()
