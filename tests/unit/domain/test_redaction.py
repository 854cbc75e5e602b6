"""Rules as they travel."""

from __future__ import annotations

import dataclasses

import orjson

from proxy.domain.redaction import NO_RULES, OwnPattern, RedactionRules, names_from, rules_from_mapping


def test_rules_come_back_as_they_went() -> None:
    rules = RedactionRules(patterns=("email",), own=(OwnPattern(name="a", pattern="b"),), max_bytes=5000)
    assert rules_from_mapping(orjson.loads(orjson.dumps(rules))) == rules
    assert rules_from_mapping(dataclasses.asdict(rules)) == rules


def test_where_nothing_is_said_nothing_is_redacted() -> None:
    assert rules_from_mapping(None) == rules_from_mapping({}) == NO_RULES
    assert names_from(None) == names_from("email") == ()
