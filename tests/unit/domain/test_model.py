"""What is known of a model, as it travels."""

from __future__ import annotations

from proxy.domain.model import Model, model_from_mapping, parameters_from


def test_parameters_are_pairs_of_a_name_and_json_text() -> None:
    assert parameters_from([["temperature", "0.2"], ["stop", '["a"]']]) == (("temperature", "0.2"), ("stop", '["a"]'))
    assert parameters_from(None) == ()


def test_a_model_is_read_with_what_is_said_of_it() -> None:
    assert model_from_mapping({"provider": "p", "name": "m", "newer": 1}) == Model(provider="p", name="m")
    found = model_from_mapping({"provider": "p", "name": "m", "defaults": [["seed", "1"]], "max_output_tokens": 5})
    assert found == Model(provider="p", name="m", defaults=(("seed", "1"),), max_output_tokens=5)
