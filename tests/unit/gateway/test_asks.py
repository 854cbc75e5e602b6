"""Four ways to ask for a stored prompt; the first that says something counts, and what is the provider's own passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.domain.route import Route, Target
from proxy.gateway.asks import PromptAsk, asked_for, values_of
from proxy.gateway.guard import Refusal

OURS = {"short", "pmpt_ours"}
RULE = Route(model="summarise", targets=(Target(provider="p"),), prompt="by-route@next", prompt_fallback="safe")
VARIABLES = {"text": "Hi"}


def ask(values: dict[str, Any], rule: Route | None = None, **headers: str) -> PromptAsk | Refusal | None:
    known = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return asked_for(known, values.get("prompt"), values.get("model"), rule, OURS)


@pytest.mark.parametrize(
    ("values", "rule", "headers", "title"),
    [
        ({}, None, {"x_dashcam_prompt": "short@production"}, "short@production"),
        ({"prompt": {"id": "short"}}, None, {}, "short"),
        ({"prompt": {"id": "short", "version": 7}}, None, {}, "short@7"),
        ({"prompt": {"id": "short", "label": "next"}}, None, {}, "short@next"),
        ({"prompt": {"id": "short@1.1"}}, None, {}, "short@1.1"),
        ({"model": "prompt/short@next"}, None, {}, "short@next"),
        ({}, RULE, {}, "by-route@next"),
        ({"prompt": {"id": "short"}, "model": "prompt/other"}, RULE, {}, "short"),
        ({"prompt": {"id": "short"}}, RULE, {"x_dashcam_prompt": "first"}, "first"),
        ({"prompt": {"id": "pmpt_ours"}}, None, {}, "pmpt_ours"),
        ({"prompt": {"prompt_id": "short", "version": "7"}}, None, {}, "short@7"),
        ({"prompt": {"id": "pmpt_ours@2"}}, None, {}, "pmpt_ours@2"),
    ],
)
def test_each_way_names_a_prompt(
    values: dict[str, Any], rule: Route | None, headers: dict[str, str], title: str
) -> None:
    found = ask(values, rule, **headers)
    assert isinstance(found, PromptAsk)
    assert found.title == title


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"model": "gpt-4o"},
        {"prompt": "a legacy completion"},
        {"prompt": {"id": "pmpt_of_openai"}},
        {"prompt": {"prompt_id": "pmpt_of_openai"}},
        {"prompt": {}},
    ],
)
def test_what_is_none_of_ours_passes(values: dict[str, Any]) -> None:
    assert ask(values) is None


def test_variables_come_from_the_body_whichever_way_names_the_prompt() -> None:
    for said, values in (({"variables": VARIABLES}, VARIABLES), ({"id": "short"}, {}), ({"variables": None}, {})):
        assert isinstance(ask({"prompt": said}, RULE, x_dashcam_prompt="short"), PromptAsk)
        assert values_of(said) == values
    assert values_of(None) == values_of("a legacy completion") == {}


@pytest.mark.parametrize("values", [{}, {"prompt": None}, {"prompt": {}}, {"prompt": {"variables": VARIABLES}}])
def test_what_only_fills_in_says_nothing_against_the_route(values: dict[str, Any]) -> None:
    found = ask(values, RULE)
    assert isinstance(found, PromptAsk)
    assert (found.name, found.wanted, found.fallback) == ("by-route", "next", "safe")
    assert ask(values, replace(RULE, prompt=None)) is None
    nameless = ask(values, replace(RULE, prompt="@next"))
    assert isinstance(nameless, Refusal)
    assert (nameless.code, nameless.param) == ("prompt_invalid", "model")


@pytest.mark.parametrize(
    ("values", "headers", "title", "fallback"),
    [
        ({"prompt": {"variables": VARIABLES}}, {"x_dashcam_prompt": "first@2"}, "first@2", "safe"),
        ({"prompt": {"variables": VARIABLES}}, {"x_dashcam_prompt_fallback": "b"}, "by-route@next", "b"),
        ({"prompt": {"variables": VARIABLES}, "model": "prompt/other"}, {}, "other", "safe"),
        ({"prompt": {"variables": {}, "fallback": "c"}}, {}, "by-route@next", "c"),
    ],
)
def test_whatever_else_is_said_counts_before_the_route(
    values: dict[str, Any], headers: dict[str, str], title: str, fallback: str
) -> None:
    found = ask(values, RULE, **headers)
    assert isinstance(found, PromptAsk)
    assert (found.title, found.fallback) == (title, fallback)


@pytest.mark.parametrize(
    ("values", "headers", "fallback"),
    [
        ({"prompt": {"id": "short", "fallback": "a@1"}}, {"x_dashcam_prompt_fallback": "b"}, "a@1"),
        ({"prompt": {"id": "short"}}, {"x_dashcam_prompt_fallback": "b"}, "b"),
        ({"prompt": {"id": "short"}}, {}, "safe"),
    ],
)
def test_a_fallback_is_the_request_s_or_the_route_s(
    values: dict[str, Any], headers: dict[str, str], fallback: str
) -> None:
    found = ask(values, RULE, **headers)
    assert isinstance(found, PromptAsk)
    assert found.fallback == fallback


@pytest.mark.parametrize(
    ("prompt", "param", "told"),
    [
        ({"id": "short", "colour": 1}, "prompt.colour", "prompt.colour is not known"),
        ({"id": "short", "version": 1, "label": "a"}, "prompt.label", "a version and a label"),
        ({"id": "short", "version": 1.1}, "prompt.version", "as a text"),
        ({"id": "short", "version": True}, "prompt.version", "as a text"),
        ({"id": "short", "label": 1}, "prompt.label", "such as production"),
        ({"id": "short", "variables": []}, "prompt.variables", "an object of values"),
        ({"id": "short", "fallback": 5}, "prompt.fallback", "must be a text"),
        ({"id": ""}, "prompt.id", "names no prompt"),
        ({"id": "@next"}, "prompt.id", "names no prompt"),
    ],
)
def test_a_malformed_ask_is_refused_with_the_reason(prompt: dict[str, Any], param: str, told: str) -> None:
    found = ask({"prompt": prompt})
    assert isinstance(found, Refusal)
    assert (found.status, found.code, found.param) == (400, "prompt_invalid", param)
    assert told in found.message


def test_an_empty_header_or_model_names_nothing_and_says_so() -> None:
    for found, param in ((ask({}, x_dashcam_prompt=""), "x-dashcam-prompt"), (ask({"model": "prompt/"}), "model")):
        assert isinstance(found, Refusal)
        assert (found.code, found.param) == ("prompt_invalid", param)


@pytest.mark.parametrize(
    ("values", "rule", "headers", "param", "wanted_param"),
    [
        ({}, None, {"x_dashcam_prompt": "a@1"}, "x-dashcam-prompt", "x-dashcam-prompt"),
        ({"prompt": {"id": "short", "version": 7}}, None, {}, "prompt.id", "prompt.version"),
        ({"prompt": {"id": "short", "label": "a"}}, None, {}, "prompt.id", "prompt.label"),
        ({"prompt": {"prompt_id": "short"}}, None, {}, "prompt.prompt_id", "prompt.prompt_id"),
        ({"model": "prompt/a@1"}, None, {}, "model", "model"),
        ({}, RULE, {}, "model", "model"),
    ],
)
def test_an_ask_knows_what_said_it(
    values: dict[str, Any], rule: Route | None, headers: dict[str, str], param: str, wanted_param: str
) -> None:
    found = ask(values, rule, **headers)
    assert isinstance(found, PromptAsk)
    assert (found.param, found.wanted_param) == (param, wanted_param)
