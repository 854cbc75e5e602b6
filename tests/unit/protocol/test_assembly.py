"""Errors of all shapes are recognised, and an answer knows whether it has ended."""

from __future__ import annotations

import pytest

from proxy.protocol.assembly import AnswerError, Assembly, read_error


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"error": {"message": "no", "type": "t", "code": 404}}, AnswerError("no", "t", "404")),
        ({"error": "no"}, AnswerError("no")),
        ({"object": "error", "message": "no", "code": "c"}, AnswerError("no", None, "c")),
        ({"detail": "no"}, AnswerError("no")),
        ({"error": None}, None),
        ({"error": {}}, None),
        ({"error": False}, None),
        ({"error": True}, AnswerError("true")),
        ({"error": ["no"]}, AnswerError('["no"]')),
        ({"type": "error", "message": "no", "code": 500}, AnswerError("no", "error", "500")),
        ({"choices": [], "detail": "high"}, None),
        ([], None),
        (None, None),
    ],
)
def test_shapes_of_errors(value: object, error: AnswerError | None) -> None:
    assert read_error(value) == error


def test_an_answer_has_ended_when_each_choice_has_its_reason() -> None:
    def ended(*reasons: str | None, error: AnswerError | None = None) -> bool:
        assembly = Assembly(error=error)
        for index, reason in enumerate(reasons):
            assembly.choice(index).finish_reason = reason
        return assembly.has_ended

    assert ended("stop")
    assert ended("stop", "length")
    assert ended(error=AnswerError("no"))
    assert not ended()
    assert not ended("stop", None)


def test_empty_names_do_not_hide_what_was_said() -> None:
    assembly = Assembly()
    for values in (
        {"id": "", "model": ""},
        {"id": "a", "model": "m"},
        {"id": "b", "model": "", "service_tier": "flex"},
    ):
        assembly.note_identity(values)
    assert (assembly.response_id, assembly.model, assembly.service_tier) == ("a", "m", "flex")
