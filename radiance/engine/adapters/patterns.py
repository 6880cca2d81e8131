r"""PEFT's patterns: which modules a key of ``alpha_pattern`` or ``rank_pattern`` means.

PEFT takes a key for a regular expression that the end of a module's name must match, and gives it
to Python's ``re``, which may take for ever over one. Here a key may hold names, ``.``, ``\.``,
``\d``, ``\w`` and classes, each repeated by ``*``, ``+`` or ``?``; matching takes time in
proportion to both lengths, whatever the key is. In a plain name a dot is a dot.
"""

import re
from collections.abc import Iterator, Mapping

from radiance import limits

_PIECE = re.compile(r"(\\[dw.]|\[[A-Za-z0-9_.-]+\]|[A-Za-z0-9_.-])([*+?]?)")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
_CLASSES = {r"\d": r"[0-9]", r"\w": r"[A-Za-z0-9_]", r"\.": r"\.", ".": r"."}


class Patterns:
    """The keys of one setting with their values; the first that matches a module counts.

    Args:
        values: By key.

    Raises:
        ValueError: There are too many keys, or one is too long or no pattern; it says which.
    """

    def __init__(self, values: Mapping[str, float]) -> None:
        if len(values) > (most := limits.PATTERN_KEYS.value):
            raise ValueError(f"has {len(values)} keys, and at most {most} are read")
        patterns = [key for key in values if not _PLAIN.fullmatch(key)]
        most = limits.PATTERN_CHARACTERS.value
        if (characters := sum(map(len, patterns))) > most:
            raise ValueError(
                f"has patterns of {characters} characters, and at most {most} are read"
            )
        most = limits.PATTERN_KEY_CHARACTERS.value
        for key in values:
            if len(key) > most:
                raise ValueError(f"{key[:40]!r}… has more than {most} characters")
        self._values = list(values.values())
        self._plain = {key: place for place, key in enumerate(values)}
        self._patterns = [
            (place, _matcher(key)) for place, key in enumerate(values) if key in set(patterns)
        ]
        self._found: dict[str, int | None] = {}

    def value(self, module: str, otherwise: float) -> float:
        """The value for a module; ``otherwise`` where no key matches its name."""
        if module not in self._found:
            self._found[module] = min(self._matching(module), default=None)
        place = self._found[module]
        return otherwise if place is None else self._values[place]

    def _matching(self, module: str) -> Iterator[int]:
        names = module.split(".")
        for start in range(len(names)):
            if (place := self._plain.get(".".join(names[start:]))) is not None:
                yield place
        yield from (place for place, matcher in self._patterns if matcher.fits(module))


class _Matcher:
    """Follows all ways through a pattern at once: bit i of a state is "before piece i"."""

    def __init__(self, pieces: list[tuple[str, str]], is_whole: bool) -> None:
        self._accepts = [re.compile(_CLASSES.get(piece, piece)) for piece, _ in pieces]
        self._repeated = sum(1 << i for i, (_, times) in enumerate(pieces) if times in ("*", "+"))
        self._optional = sum(1 << i for i, (_, times) in enumerate(pieces) if times in ("*", "?"))
        self._end, self._is_whole = 1 << len(pieces), is_whole
        self._of: dict[str, int] = {}

    def fits(self, module: str) -> bool:
        """Whether all of a name matches, or its end behind a dot."""
        state = self._closed(1)
        before = "."
        for place, character in enumerate(module):
            if place and before == "." and not self._is_whole:
                state |= self._closed(1)
            moved = state & self._accepting(character)
            state = self._closed(moved << 1 | moved & self._repeated)
            before = character
        return bool(state & self._end)

    def _accepting(self, character: str) -> int:
        if character not in self._of:
            self._of[character] = sum(
                1 << i for i, accepts in enumerate(self._accepts) if accepts.fullmatch(character)
            )
        return self._of[character]

    def _closed(self, state: int) -> int:
        """The state with every piece skipped that may be left out."""
        while (wider := state | (state & self._optional) << 1) != state:
            state = wider
        return state


def _matcher(key: str) -> _Matcher:
    body, pieces, place = key.removeprefix("^").removesuffix("$"), [], 0
    while place < len(body):
        piece = _PIECE.match(body, place)
        if piece is None:
            raise ValueError(
                f"{key!r} is no pattern known here; names, ., \\d, \\w, classes, *, + and ? are"
            )
        pieces.append((piece[1], piece[2]))
        place = piece.end()
    try:
        return _Matcher(pieces, key.startswith("^"))
    except re.error as error:  # a class such as [z-a]
        raise ValueError(f"{key!r} is no pattern: {error}") from None
