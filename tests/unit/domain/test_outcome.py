"""What the closed sets say of themselves."""

from __future__ import annotations

import pytest

from proxy.domain.outcome import UsageSource


@pytest.mark.parametrize("source", UsageSource)
def test_only_what_we_counted_ourselves_is_an_estimate(source: UsageSource) -> None:
    assert source.is_estimate is (source is UsageSource.ESTIMATED_CHARS)
