"""A call as it is told: little is needed, what cannot be is named."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.catalogue.parsing import parse
from proxy.catalogue.told_call import MOST, ToldCall, ToldCalls
from proxy.errors import InvalidError

ID = "0193A3E2-7B1C-7000-8000-00000000000A"


def test_nothing_must_be_said_and_an_id_is_in_lower_case() -> None:
    assert parse(ToldCall, {}).endpoint == "/v1/chat/completions"
    assert parse(ToldCall, {"id": ID}).id == ID.lower()
    assert parse(ToldCall, {"app": "a", "session_id": "s"}).facts("app", "user_id", "session_id") == {
        "app": "a", "session_id": "s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"id": ID.replace("7000", "4000")}, "id"),
        ({"id": "x"}, "id"),
        ({"endpoint": "chat completions"}, "endpoint"),
        ({"method": "post"}, "method"),
        ({"is_stream": "yes"}, "is_stream"),
        ({"request": 5}, "request"),
        ({"cost_usd": -1}, "cost_usd"),
        ({"tokens": 5}, "tokens"),
        ({"tags": ["x"] * 33}, "tags"),
        ({"prompt_version": 0}, "prompt_version"),
    ],
)
def test_what_cannot_be_is_named(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse(ToldCalls, {"interactions": [values]})
    assert caught.value.problems[0].field.startswith(f"interactions.0.{field}")


def test_there_is_a_bound() -> None:
    assert len(parse(ToldCalls, {"interactions": [{}] * MOST}).interactions) == MOST
    with pytest.raises(InvalidError):
        parse(ToldCalls, {"interactions": [{}] * (MOST + 1)})
