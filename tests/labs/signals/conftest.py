"""The lab computes as its commands do: on the CPU, with a fast BLAS, without compiling."""

import pytest

from radiance import platform

platform.load_fast_blas()

from radiance.engine.model.device import select_device  # noqa: E402 - the BLAS comes before MLX
from radiance.labs.signals.contexts import METHOD_NAMES  # noqa: E402
from radiance.labs.signals.presets import PRESETS, with_values  # noqa: E402
from radiance.labs.signals.settings import StudySettings  # noqa: E402
from radiance.labs.signals.study import run_study  # noqa: E402


@pytest.fixture(autouse=True)
def _on_the_cpu() -> None:
    select_device("cpu")


SMALL = with_values(
    PRESETS["quick"],
    {
        "seeds": 3,
        "first_seed": 0,
        "market.history_days": 300,
        "market.test_days": 120,
        "market.assets": 4,
        "market.features": 6,
        "adaptation.steps": 30,
        "adaptation.methods": METHOD_NAMES,
    },
)
"""Every method, in a second."""


@pytest.fixture(scope="session")
def small() -> StudySettings:
    return SMALL


@pytest.fixture(scope="session")
def small_result():
    select_device("cpu")
    return run_study(SMALL)
