"""A gateway's end of the spool without a gateway: calls are written as it would write them, by the real writer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from proxy.domain.identity import IdentityMint
from proxy.domain.outcome import Outcome
from proxy.domain.recording import AnswerHead, AttemptFact, CallEnd, CallStart
from proxy.settings.credentials import sealing_key
from proxy.settings.values import RecordingSettings, Settings
from proxy.spool.page import Page
from proxy.spool.writer import SpoolWriter

MODEL = "gpt-4o-mini"
ACCEPTED_AT_NS = 1_760_000_000_000_000_000


def settings_in(folder: Path, **changes: object) -> Settings:
    """Return settings whose folders are below one."""
    return Settings(data_dir=str(folder / "data"), run_dir=str(folder / "run"), **changes)  # type: ignore[arg-type]


def question(text: str = "Say hi", **changes: object) -> bytes:
    """Return a chat request."""
    return orjson.dumps({"model": MODEL, "messages": [{"role": "user", "content": text}], **changes})


def reply(text: str = "hi", model: str = MODEL) -> bytes:
    """Return the answer to it."""
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return orjson.dumps({"id": "c-1", "object": "chat.completion", "model": model, "choices": choices, "usage": usage})


def a_start(**changes: object) -> CallStart:
    """Return the start of a chat call."""
    values = {
        "accepted_at_ns": ACCEPTED_AT_NS,
        "method": "POST",
        "target": "/v1/chat/completions",
        "operation": "chat",
        "provider": "openai",
        "provider_kind": "openai",
        "upstream": "https://api.openai.com/v1",
        "model": MODEL,
        **changes,
    }
    return CallStart(**values)  # type: ignore[arg-type]


def a_head(content_type: str = "application/json", status: int = 200) -> AnswerHead:
    """Return an answer's head."""
    return AnswerHead(status=status, headers=(("content-type", content_type),))


def an_end(**changes: object) -> CallEnd:
    """Return the end of a call that went well."""
    attempt = AttemptFact(
        number=1, provider="openai", upstream="https://api.openai.com/v1", started_ns=1_000_000, head_ns=2_000_000,
        sent_ns=1_100_000, ended_ns=9_000_000, status=200,
    )  # fmt: skip
    values = {
        "outcome": Outcome.COMPLETED,
        "ended_ns": 10_000_000,
        "status": 200,
        "last_byte_ns": 9_000_000,
        "attempts": (attempt,),
        **changes,
    }
    return CallEnd(**values)  # type: ignore[arg-type]


class SpoolingGateway:
    """Writes calls into one spool; ``die`` lets go of the lock without another word, as SIGKILL would."""

    def __init__(self, settings: Settings, boot: str = "boot", worker: int = 0, **recording: object) -> None:
        values = RecordingSettings(**recording)  # type: ignore[arg-type]
        key = sealing_key(values)
        self.name = f"{boot}-{worker}"
        self.page = Page.create(settings.pages_dir / f"{self.name}.page", boot, worker)
        self.writer = SpoolWriter(settings.spool_dir, boot, worker, self.page, values, has_thread=False, master_key=key)
        self._mint = IdentityMint()
        self._is_dead = False

    def __repr__(self) -> str:
        return f"<SpoolingGateway {self.writer!r}>"

    def begin(self, start: CallStart | None = None, body: bytes | None = None) -> bytes:
        """Accept a call; return its id."""
        start = start or a_start()
        identity = self._mint.mint(start.accepted_at_ns)
        self.writer.start(identity, start, question() if body is None else body)
        return identity

    def answer(self, identity: bytes, pieces: Sequence[bytes], head: AnswerHead | None = None) -> None:
        """Write pieces of the answer, a millisecond apart."""
        for index, data in enumerate(pieces):
            self.writer.piece(identity, 2_000_000 + index * 1_000_000, data, head if index == 0 else None)

    def end(self, identity: bytes, end: CallEnd | None = None) -> None:
        """Write the end."""
        self.writer.end(identity, end or an_end())

    def call(self, text: str = "hi", end: CallEnd | None = None, start: CallStart | None = None) -> bytes:
        """Write a whole call; return its id."""
        identity = self.begin(start)
        self.answer(identity, [reply(text)], a_head())
        self.end(identity, end)
        return identity

    def die(self) -> None:
        """Be gone; more than once is no matter."""
        if not self._is_dead:
            self._is_dead = True
            self.writer.close()
