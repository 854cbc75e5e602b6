"""Which operation a path is, wherever it is mounted."""

from __future__ import annotations

import re
from pathlib import Path

import openai
import pytest

from proxy.protocol.endpoints import OPERATIONS, Answer, operation_named, operation_of


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
        ("GET", "/chat/completions/chatcmpl-1", "completions_read"),
        ("POST", "/responses/resp_1/cancel", "responses_read"),
        ("POST", "/responses/input_tokens", "input_tokens"),
        ("POST", "/images/edits", "images"),
        ("POST", "/audio/transcriptions", "transcription"),
        ("POST", "/videos/video_1/remix", "videos"),
        ("GET", "/videos/video_1", "videos_read"),
        ("POST", "/threads/runs", "runs"),
        ("POST", "/threads/thread_1/runs", "runs"),
        ("GET", "/threads/thread_1/runs/run_1", "runs_read"),
        ("POST", "/threads/thread_1/messages", "threads"),
        ("POST", "/batches", "batches"),
        ("GET", "/batches/batch_1", "batches_read"),
        ("POST", "/agents/sessions/s/events", "agents"),
        ("GET", "/agents/sessions/s/turns/t", "agents_read"),
        ("GET", "/vector_stores/vs/files", "vector_stores"),
        ("POST", "/fine_tuning/jobs", "fine_tuning"),
        ("GET", "/fine_tuning/jobs", "fine_tuning_read"),
        ("POST", "/organization/admin_api_keys", "secrets"),
        ("POST", "/organization/Admin_API_Keys", "secrets"),
        ("POST", "/organization/admin_api_keys;x=1", "secrets"),
        ("POST", "/organization/projects/p/service_accounts", "secrets"),
        ("POST", "/v1/realtime/client_secrets", "secrets"),
        ("POST", "/vaults/v/credentials", "secrets"),
        ("POST", "/webhook_endpoints/w/rotate_secret", "secrets"),
        ("POST", "/api/pull", "ollama_models"),
        ("POST", "/api/embeddings", "ollama_embed"),
        ("POST", "/messages", "messages"),
        ("POST", "/realtime/translations/client_secrets", "secrets"),
        ("POST", "/organization/projects/p/service_accounts/s/api_keys", "secrets"),
        ("POST", "/realtime/calls", "realtime"),
        ("POST", "/files", "files"),
        ("GET", "/files/f/content", "content"),
        ("GET", "/containers/c/files/f/content", "content"),
        ("HEAD", "/api/blobs/sha256:1", "ollama_models"),
        ("POST", "/completion", "llamacpp"),
        ("POST", "/llamacpp/infill", "llamacpp"),
        ("POST", "/tokenize", "tokenize"),
        ("POST", "/v1/rerank", "rerank"),
        ("POST", "/brand_new_thing", "other"),
        ("PATCH", "/v1/brand_new_thing", "other"),
        ("POST", "", "other"),
        ("POST", "/", "other"),
    ],
)
def test_operation(method: str, path: str, operation: str) -> None:
    assert operation_of(method, path).name == operation


def test_a_name_of_a_newer_version_is_read_like_any_other() -> None:
    assert operation_named("from_the_future").name == "other"
    assert all(operation_named(name) is item for name, item in OPERATIONS.items())


def test_what_is_read_again_has_a_call_that_made_it() -> None:
    """Whatever repeats an answer reads it in the dialect of an operation that makes one."""
    made = {item.answer for item in OPERATIONS.values() if not item.repeats}
    assert {item.answer for item in OPERATIONS.values() if item.repeats} <= made - {Answer.FACTS}
    assert not any(item.repeats and item.is_awaited for item in OPERATIONS.values())


def test_what_people_ask_and_are_answered_is_kept() -> None:
    """Only what costs nothing is kept by its facts alone."""
    assert all(item.is_free for item in OPERATIONS.values() if item.is_light)
    assert not any(item.is_light or item.is_secret for item in OPERATIONS.values() if item.generates or item.repeats)


PATHS = re.compile(r'self\._(post|get|delete|get_api_list)\(\s*(?:path_template\()?\s*f?"(/[^"?]*)"')
METHODS = {"post": "POST", "get": "GET", "delete": "DELETE", "get_api_list": "GET"}


def test_every_path_of_the_official_client_has_its_place() -> None:
    """A new surface of a new client is given a row, before somebody's calls to it are a mystery."""
    sources = Path(openai.__file__).parent.joinpath("resources").rglob("*.py")
    found = {match.groups() for source in sources for match in PATHS.finditer(source.read_text("utf-8"))}
    assert len(found) > 300
    unknown = [
        f"{method} {path}"
        for method, path in sorted(found)
        if operation_of(METHODS[method], re.sub(r"\{[^}]*\}", "x1", path)).name == "other"
    ]
    assert unknown == []
