"""The kept answers of ``tests/data/answers`` with what a row must say of each.

``Shape`` says where such an answer comes from and what was meant; the counts are (input, output, cached, reasoning).
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.domain.outcome import FinishKind, Outcome, UsageSource
from tests.support.recorded import JSON, SSE

NDJSON = "application/x-ndjson"
Counts = tuple[int | None, int | None, int | None, int | None]


@dataclass(frozen=True)
class Shape:
    """One kept answer: the file's name, who sends it to which path, and what the row says."""

    name: str
    path: str
    said: str
    counts: Counts
    kind: str = "openai"
    reason: str | None = "stop"
    finish: FinishKind = FinishKind.STOP
    outcome: Outcome = Outcome.COMPLETED
    source: UsageSource = UsageSource.REPORTED
    model: str | None = None
    error: str | None = None
    by_sdk: bool = True
    """Whether the official client can read it: what it then accumulates must equal the row."""

    @property
    def media(self) -> str:
        """The label it comes with."""
        return {"sse": SSE, "json": JSON, "ndjson": NDJSON}[self.name.rpartition(".")[2]]

    @property
    def is_stream(self) -> bool:
        """True for events and lines."""
        return self.media != JSON


CHAT, COMPLETIONS, RESPONSES = "/chat/completions", "/completions", "/responses"
_TOOL = FinishKind.TOOL_CALL
_ERROR = Outcome.UPSTREAM_ERROR
_TIMINGS = UsageSource.UPSTREAM_TIMINGS
_GPT = "gpt-5.4-2026-03-05"
_WEATHER = 'weather({"city": "Rome"})'

SHAPES = (
    Shape("openai_chat.sse", CHAT, "Grüße aus \u2028 Rom 😀.", (31, 14, 16, 6), model=_GPT),
    Shape("openai_tools.sse", CHAT, 'weather({"city":"Rome"})\ntime({"zone":"CET"})', (31, 14, 16, 6),
          reason="tool_calls", finish=_TOOL),
    Shape("openai_refusal.sse", CHAT, "I cannot.", (31, 14, 16, 6)),
    Shape("openai_three_choices.sse", CHAT, "A1\n\nB2\n\nC", (31, 14, 16, 6),
          reason='["stop","length","content_filter"]', by_sdk=False),
    Shape("openai_audio.sse", CHAT, "Good day.", (31, 14, 16, 0)),
    Shape("openai_completion.sse", COMPLETIONS, " upon a time", (2, 3, None, None), reason="length",
          finish=FinishKind.TRUNCATED),
    Shape("azure_stream.sse", CHAT, "Hi", (9, 1, 0, None), kind="azure", model="gpt-4o-2024-11-20", by_sdk=False),
    Shape("vllm_continuous_usage.sse", CHAT, "one two\n\neins zwei drei", (9, 5, None, None), kind="vllm",
          reason='["stop","stop"]'),
    Shape("vllm_error.sse", CHAT, "half", (9, 1, None, None), kind="vllm", outcome=_ERROR, reason=None,
          finish=FinishKind.NONE, error="EngineCore died", by_sdk=False),
    Shape("llamacpp_timings.sse", CHAT, "Hi there", (17, 4, 12, None), kind="llamacpp", source=_TIMINGS, by_sdk=False),
    Shape("llamacpp_completion.sse", "/completion", "Hi there", (9, 2, 4, None), kind="llamacpp", source=_TIMINGS,
          by_sdk=False),
    Shape("openrouter_chat.sse", CHAT, "It is.", (20, 7, 0, 3), kind="openrouter"),
    Shape("openrouter_error.sse", CHAT, "It", (None, 1, None, None), kind="openrouter", outcome=_ERROR, reason="error",
          finish=FinishKind.ERROR, error="Provider disconnected", source=UsageSource.ESTIMATED_CHARS, by_sdk=False),
    Shape("openrouter_error_200.json", CHAT, "", (None, None, None, None), kind="openrouter", outcome=_ERROR,
          reason=None, finish=FinishKind.NONE, error="Provider returned error", source=UsageSource.NONE, by_sdk=False),
    Shape("openrouter_choice_error.json", CHAT, "half", (5, 1, None, None), kind="openrouter", outcome=_ERROR,
          reason="error", finish=FinishKind.ERROR, error="Upstream broke off", by_sdk=False),
    Shape("deepseek_chat.sse", CHAT, "Yes", (18, 5, 10, 2), kind="deepseek"),
    Shape("deepseek_blank_lines.json", CHAT, "Waited.", (18, 5, 10, 2), kind="deepseek"),
    Shape("xai_chat.sse", CHAT, "Done", (10, 24, 2, 20), kind="xai", by_sdk=False),
    Shape("gemini_tools.sse", CHAT, f'Looking.\n{_WEATHER}\nweather({{"city": "Oslo"}})\ntime({{"zone": "CET"}})',
          (12, 12, 4, None), kind="google", by_sdk=False),
    Shape("groq_chat.sse", CHAT, "Fast", (11, 2, None, None), kind="groq", by_sdk=False),
    Shape("ollama_completion.sse", COMPLETIONS, "Once more", (8, 2, None, None), kind="ollama"),
    Shape("ollama_chat_v1.sse", CHAT, "Hi", (8, 3, None, None), kind="ollama"),
    Shape("ollama_chat.ndjson", "/api/chat", 'Hello\nlook({"a": 1})', (0, 2, None, None), kind="ollama",
          reason="length", finish=FinishKind.TRUNCATED, by_sdk=False),
    Shape("ollama_tools.ndjson", "/api/chat", _WEATHER, (26, 9, None, None), kind="ollama", by_sdk=False),
    Shape("ollama_error.ndjson", "/api/chat", "half", (None, 1, None, None), kind="ollama", outcome=_ERROR,
          reason=None, finish=FinishKind.NONE, source=UsageSource.ESTIMATED_CHARS, by_sdk=False,
          error="an error was encountered while running the model: unexpected EOF"),
    Shape("responses_text.sse", RESPONSES, "It is five.", (40, 12, 10, 4), reason="completed", model=_GPT),
    Shape("responses_refusal.sse", RESPONSES, "I cannot.", (40, 12, 10, 4), reason="completed"),
    Shape("responses_tool.sse", RESPONSES, 'add({"a":2})', (40, 12, 10, 4), reason="tool_calls", finish=_TOOL),
    Shape("responses_steered.sse", RESPONSES, "Half", (40, 12, 10, 4), reason="steered"),
    Shape("responses_background.sse", RESPONSES, "Later.", (40, 12, 10, 4), reason="completed"),
    Shape("responses_third_party.sse", RESPONSES, "Hi you", (7, 2, None, None), kind="llamacpp", reason="completed",
          by_sdk=False),
    Shape("responses_failed.sse", RESPONSES, "", (None, None, None, None), reason="failed", finish=FinishKind.ERROR,
          outcome=_ERROR, source=UsageSource.NONE, error="The model failed."),
    Shape("image_edit.sse", "/images/edits", "", (50, 100, None, None), reason=None, finish=FinishKind.NONE),
    Shape("image_svg.json", "/images/generations", "", (50, 100, None, None), reason=None, finish=FinishKind.NONE),
    Shape("transcript.sse", "/audio/transcriptions", "Good day.", (14, 5, None, None), reason=None,
          finish=FinishKind.NONE),
    Shape("transcript_duration.json", "/audio/transcriptions", "Good day.", (None, None, None, None), reason=None,
          finish=FinishKind.NONE, source=UsageSource.NONE),
    Shape("speech.sse", "/audio/speech", "", (6, 80, None, None), reason=None, finish=FinishKind.NONE),
    Shape("thread_run.sse", "/threads/runs", "Hello", (20, 11, None, None), reason=None, finish=FinishKind.NONE),
    Shape("agent_turn.sse", "/agents/sessions", "On it.", (30, 8, 0, 2), reason=None, finish=FinishKind.NONE),
    Shape("embeddings_base64.json", "/embeddings", "", (8, None, None, None), reason=None, finish=FinishKind.NONE,
          model="text-embedding-3-small"),
)  # fmt: skip
"""All of them but ``responses_stream.sse`` and ``batch_completed.json``, which have tests of their own."""
