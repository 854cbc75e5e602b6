"""Which operation a path is, wherever it is mounted."""

from __future__ import annotations

import pytest

from proxy.protocol.endpoints import operation_of


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/chat/completions", "chat"),
        ("POST", "/v1/chat/completions/", "chat"),
        ("POST", "/openai/deployments/gpt/chat/completions", "chat"),
        ("POST", "/completions", "completions"),
        ("POST", "/v1/completions", "completions"),
        ("POST", "/responses", "responses"),
        ("POST", "/responses/compact", "responses_compact"),
        ("GET", "/responses/resp_1", "responses_read"),
        ("POST", "/embeddings", "embeddings"),
        ("GET", "/models", "models"),
        ("GET", "/models/openai/gpt-5", "models"),
        ("POST", "/api/chat", "ollama_chat"),
        ("POST", "/brand_new_thing", "other"),
        ("PATCH", "/v1/brand_new_thing", "other"),
        ("POST", "", "other"),
        ("POST", "/", "other"),
    ],
)
def test_operation(method: str, path: str, operation: str) -> None:
    assert operation_of(method, path) == operation
