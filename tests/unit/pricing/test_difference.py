"""What newer price data would change is told by name."""

from __future__ import annotations

from proxy.pricing import release
from proxy.pricing.difference import difference, published
from tests.support.price_data import price_data


def test_what_is_new_gone_and_other_is_told() -> None:
    one = {"input_mtok": "1", "output_mtok": "2"}
    before = release.read(price_data("1.5", a=one, b=one))
    after = release.read(price_data("2.5", b=one, c=one))
    found = difference(before, after)
    assert (found.added, found.removed, found.changed) == (("openai/c",), ("openai/a",), ("openai/gpt-4o-mini",))
    assert found.to_mapping()["added"] == {"count": 1, "models": ["openai/c"]}
    assert difference(before, before).to_mapping()["changed"]["count"] == 0


def test_what_came_with_the_package_differs_from_itself_in_nothing() -> None:
    found = difference(published(), published())
    assert (found.added, found.removed, found.changed) == ((), (), ())
