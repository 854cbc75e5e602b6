"""Keys, tokens and limits as documents."""

from __future__ import annotations

from proxy.catalogue.access import LimitsDocument, NewKey
from proxy.catalogue.parsing import parse
from proxy.domain.access import Limits


def test_limits_become_the_gateways_and_none_are_none() -> None:
    assert LimitsDocument(tokens_per_minute=5).to_domain() == Limits(tokens_per_minute=5)
    assert LimitsDocument().to_domain() is None


def test_a_new_key_needs_nothing_said() -> None:
    assert parse(NewKey, {}).routes == []
