"""Which operation a path is, and what is known of each operation: the one table that all floors ask.

A path is taken below a provider's base (``/chat/completions``) or root (``/v1/chat/completions``,
``/openai/deployments/NAME/chat/completions``, ``/api/chat``): only its end decides, so that every mount point
means the same. What the table does not know is ``other``: still relayed and recorded by its facts.

An operation says how its answer is read (``Answer``), and what follows from it: whether text is generated, whether a
stream reports usage only when asked, whether it is free, whether it repeats what was counted when it was made, whether
its answer is a secret. Rows are in the order of the inventory of OpenAI's paths, the dialects of others behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.protocol.remembering import remembered


class Answer(StrEnum):
    """How an answer is read: by which dialect, or by its ``usage`` and its error alone."""

    CHAT = "chat"
    RESPONSES = "responses"
    OLLAMA = "ollama"
    LLAMACPP = "llamacpp"
    MESSAGES = "messages"
    RUN = "run"
    TRANSCRIPT = "transcript"
    USAGE = "usage"
    FACTS = "facts"


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of all calls of one kind.

    ``generates``: the answer is text, estimated where its tokens are not reported. ``injectable``: a stream reports
    usage only when asked. ``is_free``: it costs nothing. ``repeats``: it shows again, or only now, what another call
    paid for. ``is_awaited``: its answer may come later, to a call that repeats. ``is_unnamed``: whoever asked for what
    it reads was not told its name. ``is_secret``: request and answer may hold a key.
    ``refuses_metadata``: OpenAI refuses it with ``metadata`` that is not to be stored there.
    ``is_light``: only the facts are kept, not what is carried: lists, administration, files on their way back. What
    people ask and are answered (conversations, threads, prompts) is kept also where it costs nothing.
    ``takes_files``: a request may be as large as what somebody uploads.
    """

    name: str
    answer: Answer = Answer.FACTS
    generates: bool = False
    injectable: bool = False
    is_free: bool = False
    repeats: bool = False
    is_awaited: bool = False
    is_unnamed: bool = False
    is_secret: bool = False
    refuses_metadata: bool = False
    is_light: bool = False
    takes_files: bool = False


_OPERATIONS = (
    Operation("chat", Answer.CHAT, generates=True, injectable=True, refuses_metadata=True),
    Operation("completions", Answer.CHAT, generates=True, injectable=True),
    Operation("responses", Answer.RESPONSES, generates=True, is_awaited=True),
    Operation("responses_compact", Answer.RESPONSES),
    Operation("responses_read", Answer.RESPONSES, repeats=True),
    Operation("completions_read", Answer.CHAT, repeats=True),
    Operation("input_tokens", is_free=True),
    Operation("decisions", Answer.USAGE),
    Operation("embeddings", Answer.USAGE),
    Operation("moderations", Answer.USAGE, is_free=True),
    Operation("images", Answer.USAGE, takes_files=True),
    Operation("transcription", Answer.TRANSCRIPT, takes_files=True),
    Operation("translation", Answer.TRANSCRIPT, takes_files=True),
    Operation("speech", Answer.USAGE),
    Operation("videos", takes_files=True),
    Operation("videos_read", is_free=True, is_light=True),
    Operation("realtime"),
    Operation("live"),
    Operation("agents", Answer.RUN, is_awaited=True),
    Operation("agents_read", Answer.RUN, repeats=True, is_unnamed=True),
    Operation("runs", Answer.RUN, is_awaited=True),
    Operation("runs_read", Answer.RUN, repeats=True),
    Operation("threads", is_free=True),
    Operation("batches", Answer.RUN, is_awaited=True),
    Operation("batches_read", Answer.RUN, repeats=True),
    Operation("graders", Answer.USAGE),
    Operation("evals", is_free=True, is_light=True),
    Operation("fine_tuning"),
    Operation("fine_tuning_read", is_free=True, is_light=True),
    Operation("models", is_free=True, is_light=True),
    Operation("files", is_free=True, takes_files=True),
    Operation("content", is_free=True, is_light=True),
    Operation("vector_stores", is_free=True, is_light=True),
    Operation("containers", is_free=True, is_light=True, takes_files=True),
    Operation("conversations", is_free=True),
    Operation("prompts", is_free=True),
    Operation("organization", is_free=True, is_light=True),
    Operation("administration", is_free=True, is_light=True, takes_files=True),
    Operation("secrets", is_free=True, is_secret=True),
    Operation("messages", Answer.MESSAGES, generates=True),
    Operation("rerank", Answer.USAGE),
    Operation("ollama_chat", Answer.OLLAMA, generates=True),
    Operation("ollama_generate", Answer.OLLAMA, generates=True),
    Operation("ollama_embed", Answer.OLLAMA),
    Operation("ollama_models", Answer.OLLAMA, is_free=True, is_light=True, takes_files=True),
    Operation("llamacpp", Answer.LLAMACPP, generates=True),
    Operation("tokenize", is_free=True, is_light=True),
    Operation("other"),
)
OPERATIONS = {item.name: item for item in _OPERATIONS}
_OTHER = OPERATIONS["other"]

_READ, _WRITE, _ANY = frozenset({"GET", "HEAD"}), frozenset({"POST"}), frozenset[str]()
_PATHS: tuple[tuple[frozenset[str], str, str], ...] = (
    (_ANY, "admin_api_keys", "secrets"),
    (_ANY, "admin_api_keys/*", "secrets"),
    (_ANY, "service_accounts", "secrets"),
    (_ANY, "service_accounts/*", "secrets"),
    (_ANY, "service_accounts/*/api_keys", "secrets"),
    (_ANY, "api_keys", "secrets"),
    (_ANY, "api_keys/*", "secrets"),
    (_ANY, "client_secrets", "secrets"),
    (_ANY, "realtime/sessions", "secrets"),
    (_ANY, "realtime/transcription_sessions", "secrets"),
    (_ANY, "chatkit/sessions", "secrets"),
    (_ANY, "chatkit/sessions/*/cancel", "secrets"),
    (_ANY, "vaults/*/credentials", "secrets"),
    (_ANY, "vaults/*/credentials/*", "secrets"),
    (_ANY, "webhook_endpoints", "secrets"),
    (_ANY, "webhook_endpoints/*", "secrets"),
    (_ANY, "webhook_endpoints/*/*", "secrets"),
    (_WRITE, "chat/completions", "chat"),
    (_ANY, "chat/completions", "completions_read"),
    (_ANY, "chat/completions/*", "completions_read"),
    (_ANY, "chat/completions/*/messages", "completions_read"),
    (_WRITE, "completions", "completions"),
    (_WRITE, "responses", "responses"),
    (_WRITE, "responses/compact", "responses_compact"),
    (_WRITE, "responses/input_tokens", "input_tokens"),
    (_ANY, "responses/*", "responses_read"),
    (_ANY, "responses/*/cancel", "responses_read"),
    (_ANY, "responses/*/input_items", "conversations"),
    (_WRITE, "decisions", "decisions"),
    (_WRITE, "embeddings", "embeddings"),
    (_WRITE, "embedding", "embeddings"),
    (_WRITE, "moderations", "moderations"),
    (_WRITE, "images/generations", "images"),
    (_WRITE, "images/edits", "images"),
    (_WRITE, "images/variations", "images"),
    (_WRITE, "audio/transcriptions", "transcription"),
    (_WRITE, "audio/translations", "translation"),
    (_WRITE, "audio/speech", "speech"),
    (_WRITE, "videos", "videos"),
    (_WRITE, "videos/edits", "videos"),
    (_WRITE, "videos/extensions", "videos"),
    (_WRITE, "videos/*/remix", "videos"),
    (_WRITE, "realtime/calls", "realtime"),
    (_WRITE, "live/sessions", "live"),
    (_WRITE, "agents/sessions", "agents"),
    (_WRITE, "agents/sessions/*/events", "agents"),
    (_READ, "agents/sessions/*/events", "agents_read"),
    (_READ, "agents/sessions/*/turns/*", "agents_read"),
    (_READ, "subagents/*/turns/*", "agents_read"),
    (_ANY, "threads/*/messages", "threads"),
    (_WRITE, "threads/runs", "runs"),
    (_WRITE, "threads/*/runs", "runs"),
    (_WRITE, "threads/*/runs/*/submit_tool_outputs", "runs_read"),
    (_ANY, "threads/*/runs/*", "runs_read"),
    (_ANY, "threads/*/runs/*/cancel", "runs_read"),
    (_WRITE, "batches", "batches"),
    (_ANY, "batches/*", "batches_read"),
    (_ANY, "batches/*/cancel", "batches_read"),
    (_READ, "files/*/content", "content"),
    (_READ, "videos/*/content", "content"),
    (_READ, "skills/*/content", "content"),
    (_READ, "skills/*/versions/*/content", "content"),
    (_READ, "artifacts/*/content", "content"),
    (_READ, "live/sessions/*/content", "content"),
    (_WRITE, "fine_tuning/jobs", "fine_tuning"),
    (_WRITE, "graders/run", "graders"),
    (_WRITE, "graders/validate", "evals"),
    (_WRITE, "messages", "messages"),
    (_WRITE, "messages/count_tokens", "input_tokens"),
    *((_WRITE, name, "rerank") for name in ("rerank", "reranking", "score")),
    *((_WRITE, name, "tokenize") for name in ("tokenize", "detokenize", "apply-template")),
    (_WRITE, "completion", "llamacpp"),
    (_WRITE, "infill", "llamacpp"),
    (_WRITE, "api/chat", "ollama_chat"),
    (_WRITE, "api/generate", "ollama_generate"),
    (_WRITE, "api/embed", "ollama_embed"),
    (_WRITE, "api/embeddings", "ollama_embed"),
    (_ANY, "api/blobs/*", "ollama_models"),
    *(
        (_ANY, f"api/{name}", "ollama_models")
        for name in ("tags", "show", "ps", "pull", "push", "create", "copy", "delete", "version")
    ),
)
# What holds keys comes first, it must not be taken for anything that is kept; then the longest.
_RULES = sorted(
    ((methods, tail.split("/"), OPERATIONS[name]) for methods, tail, name in _PATHS),
    key=lambda rule: (not rule[2].is_secret, -len(rule[1])),
)
_SEGMENTS = {
    "models": "models",
    "files": "files",
    "uploads": "files",
    "batches": "batches_read",
    "vector_stores": "vector_stores",
    "containers": "containers",
    "conversations": "conversations",
    "prompts": "prompts",
    "responses": "responses_read",
    "completions": "completions_read",
    "videos": "videos_read",
    "vaults": "secrets",
    "threads": "threads",
    "assistants": "threads",
    "fine_tuning": "fine_tuning_read",
    "evals": "evals",
    "organization": "organization",
    "projects": "organization",
    "agents": "threads",
    **dict.fromkeys(
        ("realtime", "live", "skills", "voices", "voice_consents", "safety", "content_provenance_checks"),
        "administration",
    ),
    "webhook_event_types": "administration",
}


def operation_named(name: str) -> Operation:
    """Return an operation; one of a newer version, met in an old spool or table, is ``other``."""
    return OPERATIONS.get(name, _OTHER)


def operation_of(method: str, path: str) -> Operation:
    """Return the operation of a method and a decoded path."""
    return _operation_of(f"{method} {path}")


@remembered(4096)
def _operation_of(request: str) -> Operation:
    method, _, path = request.partition(" ")
    parts = [part for part in path.split("/") if part]
    # A server may be lenient about case and about ";x=1": what holds keys is known all the same.
    plain = [part.partition(";")[0].lower() for part in parts]
    for methods, tail, operation in _RULES:
        if (not methods or method in methods) and _ends_with(plain if operation.is_secret else parts, tail):
            return operation
    return next((OPERATIONS[_SEGMENTS[part]] for part in parts if part in _SEGMENTS), _OTHER)


def _ends_with(parts: list[str], tail: list[str]) -> bool:
    if len(parts) < len(tail):
        return False
    ends = parts[len(parts) - len(tail) :]
    return all(wanted in ("*", part) for wanted, part in zip(tail, ends, strict=True))
