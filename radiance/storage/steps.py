"""A name for every instant at which a durable change is about to happen.

``storage/files.py`` and ``storage/sqlite.py`` call ``step`` right before each of them. Normally
that does nothing; a crash test sets a hook that kills the process before step k, for every k.
"""

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def set_hook(hook: Callable[[str], None] | None) -> None:
    """Have ``hook`` called with the name of every step from now on; None ends that."""
    global _hook
    _hook = hook


def step(name: str) -> None:
    """Announce that the durable change ``name`` happens next."""
    if _hook is not None:
        _hook(name)
