"""QuantConnect's algorithms, from a checkout of Lean that the user points at, as pairs.

A description is what the file says of itself: ``### <summary>`` lines before the class, else the
class's docstring, else its tags. Nothing is invented where there is none. Algorithms that test the
engine (regression) are left out, since they show what is checked rather than what is meant.
"""

import ast
import hashlib
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from radiance.errors import ConfigError
from radiance.labs.alphas.data.pairs import Pair

LICENCE = "Apache-2.0 (QuantConnect Lean)"
_SUMMARY = re.compile(r"^\s*###\s*<summary>(.*?)</summary>", re.DOTALL | re.MULTILINE)
_TAG = re.compile(r'###\s*<meta\s+name="tag"\s+content="([^"]*)"')
_HEADER = re.compile(r"\A(?:\s*#[^\n]*\n)*?\s*#[^\n]*limitations under the License\.[^\n]*\n")
_LEAST_WORDS = 4


@dataclass(frozen=True)
class CheckoutPairs:
    """What a checkout gave.

    Attributes:
        left_out: reason → how many files.
    """

    pairs: tuple[Pair, ...]
    left_out: dict[str, int]


def read(checkout: Path) -> CheckoutPairs:
    """All Python algorithms of a checkout.

    Raises:
        ConfigError: There is no ``Algorithm.Python`` in it.
    """
    folder = checkout / "Algorithm.Python"
    if not folder.is_dir():
        raise ConfigError(
            f"--lean (is {checkout}): has no folder Algorithm.Python. "
            "Give the top of a checkout of QuantConnect/Lean."
        )
    left_out: Counter[str] = Counter()
    pairs = []
    for path in _paths(checkout):
        found = algorithm(path.read_bytes(), path.stem)
        if isinstance(found, str):
            left_out[found] += 1
        else:
            pairs.append(found)
    return CheckoutPairs(tuple(pairs), dict(left_out))


def content_hash(checkout: Path) -> str:
    """SHA-256 over the names and contents of the algorithms read."""
    digest = hashlib.sha256()
    for path in _paths(checkout):
        digest.update(f"{path.relative_to(checkout).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _paths(checkout: Path) -> list[Path]:
    return sorted((checkout / "Algorithm.Python").rglob("*.py"))


def algorithm(raw: bytes, name: str) -> Pair | str:
    """One file as a pair, or why it is none."""
    text = decode(raw)
    if text is None:
        return "unreadable"
    if "regression" in name.lower():
        return "regression test"
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return "not Python"
    strategies = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_main(node)]
    if not strategies:
        return "no algorithm class"
    tags = [tag.strip() for tag in _TAG.findall(text)]
    if any("regression" in tag.lower() for tag in tags):
        return "regression test"
    said = _said(text, strategies[0], tags)
    if said is None:
        return "no description"
    if "regression" in said.lower():
        return "regression test"
    return Pair(
        instruction=f"Write a QuantConnect algorithm in Python. {said}",
        completion=_code(text),
        kind="strategy",
        family=f"lean:{_family(name)}",
        source="lean",
        licence=LICENCE,
    )


def decode(raw: bytes) -> str | None:
    """The text of a source file: as it declares, UTF-8, or Windows' Latin; LF, tabs as spaces."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    except (SyntaxError, UnicodeDecodeError):
        encoding = "utf-8"
    for candidate in (encoding, "utf-8-sig", "cp1252"):
        try:
            text = raw.decode(candidate)
        except (UnicodeDecodeError, LookupError):
            continue
        text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
        return text.expandtabs(4) if "\0" not in text else None
    return None


def _is_main(node: ast.ClassDef) -> bool:
    return any(
        isinstance(base, ast.Name | ast.Attribute) and ast.unparse(base).endswith("QCAlgorithm")
        for base in node.bases
    )


def _said(text: str, strategy: ast.ClassDef, tags: list[str]) -> str | None:
    found = _SUMMARY.search(text)
    raw = re.sub(r"^\s*###", "", found[1], flags=re.MULTILINE) if found else ""
    candidates = [raw, ast.get_docstring(strategy) or ""]
    for candidate in candidates:
        words = " ".join(re.sub(r"<[^>]+>", " ", candidate).split())
        if len(words.split()) >= _LEAST_WORDS:
            return words if words.endswith((".", "!", "?")) else f"{words}."
    if tags:
        return f"It shows {', '.join(tags).lower()}."
    return None


def _code(text: str) -> str:
    """Without the licence's header and the description, which the pair has elsewhere."""
    text = _HEADER.sub("", text, count=1)
    lines: Iterator[str] = (line.rstrip() for line in text.split("\n"))
    kept = [line for line in lines if not line.lstrip().startswith("###")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


def _family(name: str) -> str:
    """Algorithms that differ by a suffix are variants of one."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+", name)
    kept = [w for w in words if w.lower() not in {"algorithm", "framework", "template", "alpha"}]
    return "".join(kept[:3]).lower() or name.lower()
