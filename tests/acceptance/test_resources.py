"""The official client's resources, directly and through Dashcam: the same requests leave, the same results come back.

The upstream answers everything with one object that suits all of them (or with one error); what the client makes of it
is compared, and so is every byte that arrived there, but for the host's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai._legacy_response import HttpxBinaryResponseContent

from tests.support.dashcam import RunningDashcam
from tests.support.scenarios import JSON
from tests.support.scripted_upstream import Received, Scenario, ScriptedUpstream, Turn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ANY = (
    b'{"id":"x1","object":"thing","data":[],"has_more":false,"first_id":null,"last_id":null,"results":[],'
    b'"status":"queued"}'
)
ERROR = b'{"error":{"message":"there is none","type":"invalid_request_error","param":"id","code":"none_there"}}'
FILE = ("a.jsonl", b'{"custom_id":"1"}\n')
ASKED: Any = [{"role": "user", "content": "hi"}]
Act = Callable[[Any], Any]

ACTS: dict[str, Act] = {
    "chat": lambda c: c.chat.completions.create(model="m", messages=ASKED),
    "chat parse": lambda c: c.chat.completions.parse(model="m", messages=ASKED),
    "chat stored": lambda c: c.chat.completions.retrieve("chatcmpl/1"),
    "chat list": lambda c: c.chat.completions.list(),
    "chat update": lambda c: c.chat.completions.update("chatcmpl-1", metadata={"a": "b"}),
    "chat messages": lambda c: c.chat.completions.messages.list("chatcmpl-1"),
    "completions": lambda c: c.completions.create(model="m", prompt="once"),
    "responses": lambda c: c.responses.create(model="m", input="hi"),
    "responses get": lambda c: c.responses.retrieve("resp_1", include=["reasoning.encrypted_content"]),
    "responses cancel": lambda c: c.responses.cancel("resp_1"),
    "responses delete": lambda c: c.responses.delete("resp_1"),
    "responses compact": lambda c: c.responses.compact(model="m", input="hi"),
    "input items": lambda c: c.responses.input_items.list("resp_1", limit=3),
    "input tokens": lambda c: c.responses.input_tokens.count(model="m", input="hi"),
    "embeddings": lambda c: c.embeddings.create(model="m", input=["a", "b"], encoding_format="float"),
    "moderations": lambda c: c.moderations.create(input="hi"),
    "images": lambda c: c.images.generate(prompt="cat"),
    "image edit": lambda c: c.images.edit(image=FILE, prompt="cat", mask=FILE),
    "image variation": lambda c: c.images.create_variation(image=FILE),
    "transcription": lambda c: c.audio.transcriptions.create(
        file=FILE, model="w", response_format="verbose_json", timestamp_granularities=["word", "segment"]
    ),
    "translation": lambda c: c.audio.translations.create(file=FILE, model="w"),
    "speech": lambda c: c.audio.speech.create(model="t", input="hi", voice="alloy"),
    "models": lambda c: c.models.list(extra_query={"a": "b"}),
    "model": lambda c: c.models.retrieve("openai/gpt 5"),
    "model delete": lambda c: c.models.delete("ft:m"),
    "files": lambda c: c.files.list(purpose="batch"),
    "file": lambda c: c.files.retrieve("file-1"),
    "file create": lambda c: c.files.create(file=FILE, purpose="batch"),
    "file content": lambda c: c.files.content("file-1"),
    "file delete": lambda c: c.files.delete("file-1"),
    "upload": lambda c: c.uploads.create(bytes=3, filename="a", mime_type="x/y", purpose="batch"),
    "upload part": lambda c: c.uploads.parts.create("upload_1", data=FILE),
    "upload complete": lambda c: c.uploads.complete("upload_1", part_ids=["p"]),
    "batch": lambda c: c.batches.create(completion_window="24h", endpoint="/v1/responses", input_file_id="file-1"),
    "batch get": lambda c: c.batches.retrieve("batch_1"),
    "batch cancel": lambda c: c.batches.cancel("batch_1"),
    "batches": lambda c: c.batches.list(limit=2),
    "vector store": lambda c: c.vector_stores.create(name="v"),
    "vector search": lambda c: c.vector_stores.search("vs_1", query="q"),
    "vector file": lambda c: c.vector_stores.files.create("vs_1", file_id="file-1"),
    "vector batch": lambda c: c.vector_stores.file_batches.create("vs_1", file_ids=["file-1"]),
    "conversation": lambda c: c.conversations.create(items=[]),
    "conversation items": lambda c: c.conversations.items.list("conv_1"),
    "container": lambda c: c.containers.create(name="c"),
    "container file": lambda c: c.containers.files.create("cntr_1", file=FILE),
    "fine tuning": lambda c: c.fine_tuning.jobs.create(model="m", training_file="file-1"),
    "fine tuning events": lambda c: c.fine_tuning.jobs.list_events("ftjob-1"),
    "evals": lambda c: c.evals.list(),
    "assistant": lambda c: c.beta.assistants.create(model="m"),
    "thread": lambda c: c.beta.threads.create(),
    "message": lambda c: c.beta.threads.messages.create("thread_1", role="user", content="hi"),
    "run": lambda c: c.beta.threads.runs.create("thread_1", assistant_id="asst_1"),
    "run get": lambda c: c.beta.threads.runs.retrieve("run_1", thread_id="thread_1"),
    "client secret": lambda c: c.realtime.client_secrets.create(),
    "anything": lambda c: c.post("/brand/new?thing=1", body={"a": [1, 2]}, cast_to=object),
}

ODD_WAYS: dict[str, Act] = {
    "raw": lambda c: c.chat.completions.with_raw_response.create(model="m", messages=ASKED).text,
    "raw embeddings": lambda c: c.embeddings.with_raw_response.create(model="m", input="hi").parse(),
    "streamed": lambda c: read(c.chat.completions.with_streaming_response.create(model="m", messages=ASKED)),
    "streamed speech": lambda c: read(
        c.audio.speech.with_streaming_response.create(model="t", input="hi", voice="alloy")
    ),
    "streamed file": lambda c: read(c.files.with_streaming_response.content("file-1")),
}
"""The official client's other ways to the same answers, which only its synchronous half spells so."""


def read(answering: Any) -> bytes:
    with answering as answer:
        return bytes(answer.read())


def seen(received: Received) -> tuple[Any, ...]:
    """Return what arrived, without what must differ: the host, and the boundary that the client draws at random."""
    content_type = received.header(b"content-type") or b""
    boundary = content_type.partition(b"boundary=")[2]
    plain = {name.lower(): value for name, value in received.headers if name.lower() not in (b"host", b"connection")}
    if boundary:
        plain[b"content-type"] = content_type.replace(boundary, b"B")
    body = received.body.replace(boundary, b"B") if boundary else received.body
    return received.request_line, sorted(plain.items()), body


def outcome_of(act: Act, client: openai.OpenAI) -> tuple[Any, ...]:
    try:
        return told(act(client))
    except (openai.APIError, ValueError, TypeError) as error:
        return told(error)


async def outcome_in_a_loop(act: Act, client: openai.AsyncOpenAI) -> tuple[Any, ...]:
    try:
        return told(await act(client))
    except (openai.APIError, ValueError, TypeError) as error:
        return told(error)


def told(made: Any) -> tuple[Any, ...]:
    if isinstance(made, openai.APIStatusError):
        return type(made), made.message, made.code, made.param, made.status_code, made.request_id
    if isinstance(made, Exception):
        return type(made), str(made)
    if isinstance(made, HttpxBinaryResponseContent):
        return type(made), made.content
    return type(made), made.to_dict() if hasattr(made, "to_dict") else made


def answering(status: bytes) -> Scenario:
    async def scenario(turn: Turn) -> None:
        await turn.answer(ANY if status == b"200 OK" else ERROR, JSON, b"x-request-id: req_5", status=status)

    return scenario


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"], ids=["200", "404"])
@pytest.mark.parametrize("act", [*ACTS.values(), *ODD_WAYS.values()], ids=[*ACTS, *ODD_WAYS])
def test_directly_and_through_dashcam(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream, act: Act, status: bytes
) -> None:
    upstream.scenario = answering(status)
    with openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="sk-real-key", max_retries=0) as direct:
        expected = outcome_of(act, direct)
    sent_directly = upstream.requests[-1]
    before = len(upstream.requests)
    assert outcome_of(act, client) == expected
    assert len(upstream.requests) == before + 1
    assert seen(upstream.requests[-1]) == seen(sent_directly)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_the_asynchronous_client_too(dashcam: RunningDashcam, upstream: ScriptedUpstream, act: Act) -> None:
    upstream.scenario = answering(b"200 OK")
    found, sent = [], []
    for base in (upstream.url, dashcam.url):
        async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="sk-real-key", max_retries=0) as client:
            found.append(await outcome_in_a_loop(act, client))
        sent.append(seen(upstream.requests[-1]))
    assert found[0] == found[1]
    assert sent[0] == sent[1]


def test_each_of_them_is_on_record(dashcam: RunningDashcam) -> None:
    rows = dashcam.rows()
    assert {row["outcome"] for row in rows} <= {"completed", "upstream_error"}
    assert all(row["decode_error"] is None for row in rows)
    assert {row["operation"] for row in rows if row["endpoint"] != "/v1/models"} >= {
        "chat",
        "batches",
        "files",
        "secrets",
    }
    assert {row["endpoint"] for row in rows if row["operation"] == "other"} == {"/v1/brand/new"}
