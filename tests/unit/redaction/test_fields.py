"""What is recorded beside bodies."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from proxy.redaction.fields import (
    redact_edit,
    redact_headers,
    redact_members,
    redact_target,
    redact_text,
    redact_values,
)
from tests.support.redacting import CANARIES, EVERYTHING

MAIL = CANARIES["email"]


def counted() -> Counter[str]:
    return Counter()


def test_a_text_keeps_all_but_its_secrets() -> None:
    counts = counted()
    assert redact_text(EVERYTHING, f"no such user: {MAIL}", counts) == "no such user: [redacted:email]"
    assert redact_text(EVERYTHING, "lone \ud800", counts) == "lone \ud800"
    assert counts == {"email": 1}


def test_a_header_that_is_an_object_stays_one() -> None:
    said = json.dumps({"user": MAIL, "team": "ü"}, ensure_ascii=False).encode().decode("latin-1")
    counts = counted()
    (pair, other) = redact_headers(EVERYTHING, (("x-dashcam-metadata", said), ("x-title", "é")), counts)
    assert json.loads(pair[1].encode("latin-1")) == {"user": "[redacted:email]", "team": "ü"}
    assert other == ("x-title", "é")
    assert counts["email"] == 1


def test_a_part_of_a_target_goes_whole_when_it_means_a_secret() -> None:
    counts = counted()
    target = "/v1/files/canary.user%40canary-example.org/x?after=a&user=canary.user%40canary-example.org&b"
    assert redact_target(EVERYTHING, target, counts) == "/v1/files/[redacted:email]/x?after=a&user=[redacted:email]&b"
    assert redact_target(EVERYTHING, "/v1/models", counts) == "/v1/models"
    assert redact_members(EVERYTHING, "phone=%2B49+171+5550123", counts) == "phone=[redacted:phone]"


def test_values_keep_their_shape() -> None:
    values = {"a": [MAIL, 1, None, {"b": f"x {MAIL}"}], MAIL: True}
    assert redact_values(EVERYTHING, values, counted()) == {
        "a": ["[redacted:email]", 1, None, {"b": "x [redacted:email]"}],
        "[redacted:email]": True,
    }
    assert redact_values(EVERYTHING, None, counted()) is None


def test_values_that_are_too_deep_are_left_out() -> None:
    deep: object = MAIL
    for _ in range(2000):
        deep = [deep]
    counts = counted()
    assert MAIL not in json.dumps(redact_values(EVERYTHING, {"a": deep}, counts))
    assert counts == {"unreadable": 1}


SAID = json.dumps({"role": "system", "content": "write to:\nada@example.com"})


@pytest.mark.parametrize(
    "text",
    [
        SAID, f"{SAID},", f"[{SAID}]", f'[{SAID},{{"role":"user","content":', f'"a":{SAID},', f'"a":{SAID}',
        f'{{"model":"m","messages":[{SAID},', f'{{"model":"m","messages":[{SAID}', f'{{"messages":[{SAID}]}}',
    ],
)  # fmt: skip
def test_an_edit_without_its_secrets_still_fits_into_its_document(text: str) -> None:
    counts = counted()
    assert redact_edit(EVERYTHING, text, counts) == text.replace("ada@example.com", "[redacted:email]")
    assert counts


def test_what_is_no_part_of_json_is_looked_at_as_it_stands() -> None:
    assert redact_edit(EVERYTHING, 'half "of it: ada@example.com', counted()) == 'half "of it: [redacted:email]'
