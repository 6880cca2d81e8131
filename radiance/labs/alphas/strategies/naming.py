"""Names as QuantConnect's API spells them, and the refusal of those that are not here."""

import re
from collections.abc import Callable
from typing import Any


class Unsupported(Exception):
    """The algorithm asks for something outside the supported part."""


class Snake:
    """PascalCase names lead to their snake_case ones; what there is not is Unsupported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for written in _spellings(name):
            if written != name and has(self, written):
                return getattr(self, written)
        raise Unsupported(f"{type(self).__name__.lstrip('_')}.{name}")


class Closed(Snake):
    """Whose attributes mean something to the run: setting one that does not is Unsupported."""

    def close_names(self) -> None:
        """From now on there are no further names."""
        self.__dict__["_is_closed"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        known = [written for written in (name, *_spellings(name)) if has(self, written)]
        if "_is_closed" in self.__dict__ and not known:
            raise Unsupported(f"{type(self).__name__}.{name}")
        super().__setattr__(known[0] if known else name, value)


class _Names(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise Unsupported(f"{cls.__name__}.{name}")


class Names(metaclass=_Names):
    """Constants of Lean's; one that is not there is Unsupported."""


Handler = Callable[..., Any]


class Event:
    """Handlers that are called one after the other; ``+=`` and ``-=`` as in Lean."""

    def __init__(self) -> None:
        self.handlers: list[Handler] = []

    def __iadd__(self, handler: Handler) -> "Event":
        self.handlers.append(handler)
        return self

    def __isub__(self, handler: Handler) -> "Event":
        self.handlers.remove(handler)
        return self

    def __call__(self, *arguments: Any) -> None:
        for handler in list(self.handlers):
            handler(*arguments)


def named(thing: Any, name: str) -> Any:
    """A method by its snake_case name, or as the algorithm wrote it in PascalCase."""
    pascal = "".join(word.capitalize() for word in name.split("_"))
    written = getattr(type(thing), pascal, None)
    return getattr(thing, name) if written is None else written.__get__(thing)


def _spellings(name: str) -> tuple[str, str]:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), name.lower()


def has(thing: Any, name: str) -> bool:
    return hasattr(type(thing), name) or name in thing.__dict__
