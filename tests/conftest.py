"""What all tests share: hypothesis profiles and the number of rounds of the tests that kill processes."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("fast", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make soak` ask for the long form."""
    parser.addoption("--rounds", type=int, default=3, help="how often each kill -9 test kills (3; the long form 20)")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a test that kills processes does so."""
    return int(request.config.getoption("--rounds"))
