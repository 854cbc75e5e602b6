"""What all tests share: a shell that says nothing, hypothesis profiles, and how often tests that kill do so."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.support.processes import forget_the_caller

forget_the_caller()

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
