"""Test data too large for the repository, found by ``RADIANCE_TEST_DATA``.

The variable names a folder; without it, ``shared/data`` beside the checkout is taken. Tests that
miss a file there are skipped, and the run ends with one line that says which.
"""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
VARIABLE = "RADIANCE_TEST_DATA"
FOLDER = Path(os.environ.get(VARIABLE) or REPOSITORY.parent / "shared" / "data")

STORIES = FOLDER / "models" / "stories260K"
"""A Llama of 260,000 parameters that tells stories for children (karpathy/tinyllamas)."""

MARKET_BARS = FOLDER / "market" / "us_daily_2005_2019.parquet"
"""Daily bars of 150 US shares; ``sectors.csv`` beside it has their groups."""

LEAN = FOLDER / "lean"
"""A checkout of QuantConnect's Lean: Algorithm.Python, Algorithm.CSharp and Data/equity/usa."""

_MISSING = f"{VARIABLE} has no "


def why_missing(path: Path) -> str:
    """The reason to skip a test that needs ``path``, a file or folder of the test data."""
    return _MISSING + path.relative_to(FOLDER).as_posix()


def needs(path: Path) -> pytest.MarkDecorator:
    """Skip a test where the test data has no ``path``."""
    return pytest.mark.skipif(not path.exists(), reason=why_missing(path))


def missing_path(reason: str) -> str:
    """What ``why_missing`` named in a reason to skip; empty for any other reason."""
    _, found, path = reason.partition(_MISSING)
    return path if found else ""
