"""The official OpenAI client against Dashcam in front of a real llama.cpp server: works as before, and is on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.llama import END, NAME, TOOL_CALL
from tests.support.raw_http import exchange, request
from tests.support.waiting import wait_until

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello there, what is the word?"}]
SECRET = "sk-not-to-be-kept-5e1f"


class Weather(BaseModel):
    """What a grammar holds the model to."""

    city: Literal["Oslo", "Bergen"]
    degrees: int


SCHEMA = {"type": "json_schema", "json_schema": {"name": "weather", "schema": Weather.model_json_schema()}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": Weather.model_json_schema()}}
CALL_AND_STOP = [[TOOL_CALL, 100], [END, 200]]  # a grammar allows words before a call, and more calls after it
FORCED: dict[str, Any] = {"tools": [TOOL], "tool_choice": "required", "logit_bias": CALL_AND_STOP, "max_tokens": 200}


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter, llama: str) -> RunningDashcam:
    return start_dashcam("--upstream", f"llamacpp={llama}/v1")


@pytest.fixture
def client(dashcam: RunningDashcam) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key=SECRET, max_retries=0) as made:
        yield made


def test_chat_gives_the_answer_and_one_row_with_its_usage(client: openai.OpenAI, dashcam: RunningDashcam) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=NAME, messages=MESSAGES, max_tokens=8, temperature=0, user="kim"
    )
    answer = raw.parse()
    row = dashcam.row(id=raw.headers["x-dashcam-id"])
    assert (row["operation"], row["provider"], row["is_stream"]) == ("chat", "llamacpp", 0)
    assert (row["outcome"], row["success"], row["http_status"]) == ("completed", 1, 200)
    assert (row["model_requested"], row["model"], row["user_id"]) == (NAME, NAME, "kim")
    assert answer.usage is not None
    assert row["input_tokens"] == answer.usage.prompt_tokens
    assert row["output_tokens"] == answer.usage.completion_tokens == 8
    assert (row["usage_source"], row["cost_status"], row["cost_pico_usd"]) == ("reported", "local", 0)
    assert (row["finish_reason"], row["finish_kind"]) == ("length", "truncated")
    assert json.loads(dashcam.body(row["id"], "request"))["messages"] == MESSAGES
    kept = json.loads(dashcam.body(row["id"], "response"))
    assert kept["choices"][0]["message"]["content"] == answer.choices[0].message.content


def test_a_stream_arrives_in_pieces_and_is_assembled_in_the_record(
    client: openai.OpenAI, dashcam: RunningDashcam
) -> None:
    stream = client.chat.completions.create(
        model=NAME, messages=MESSAGES, max_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    row = dashcam.row(id=stream.response.headers["x-dashcam-id"])
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    usage = chunks[-1].usage
    assert usage is not None
    assert (row["outcome"], row["is_stream"], row["output_tokens"]) == ("completed", 1, usage.completion_tokens)
    assert 0 < row["ttft_ms"] <= row["duration_ms"]
    (text,) = dashcam.query("select output_text from interaction_text where interaction_id = ?", row["id"])
    assert text["output_text"] == said


def test_legacy_completions_embeddings_and_models_pass(client: openai.OpenAI, dashcam: RunningDashcam) -> None:
    completion = client.completions.with_raw_response.create(model=NAME, prompt="once upon", max_tokens=4)
    embedding = client.embeddings.with_raw_response.create(model=NAME, input="hello")
    models = client.models.with_raw_response.list()
    assert completion.parse().usage is not None
    assert len(embedding.parse().data[0].embedding) == 64
    assert NAME in {model.id for model in models.parse().data}
    assert dashcam.row(id=completion.headers["x-dashcam-id"])["output_tokens"] == 4
    row = dashcam.row(id=embedding.headers["x-dashcam-id"])
    assert (row["operation"], row["input_tokens"], row["outcome"]) == ("embeddings", 6, "completed")
    assert dashcam.row(id=models.headers["x-dashcam-id"])["operation"] == "models"


def test_responses_unstreamed_and_streamed(client: openai.OpenAI, dashcam: RunningDashcam) -> None:
    raw = client.responses.with_raw_response.create(model=NAME, input="hello", max_output_tokens=5)
    answer = raw.parse()
    stream = client.responses.create(model=NAME, input="hello", max_output_tokens=6, stream=True)
    events = list(stream)
    assert answer.usage is not None
    row = dashcam.row(id=raw.headers["x-dashcam-id"])
    assert (row["operation"], row["output_tokens"], row["outcome"]) == ("responses", 5, "completed")
    assert events[-1].type == "response.completed"
    streamed = dashcam.row(id=stream.response.headers["x-dashcam-id"])
    assert (streamed["operation"], streamed["is_stream"], streamed["output_tokens"]) == ("responses", 1, 6)
    assert streamed["output_preview"] == events[-1].response.output_text.strip()


def test_json_by_a_schema_is_parsed_into_the_class(client: openai.OpenAI, dashcam: RunningDashcam) -> None:
    raw = client.chat.completions.with_raw_response.parse(
        model=NAME, messages=MESSAGES, max_tokens=400, response_format=Weather
    )
    answer = raw.parse()
    assert isinstance(answer.choices[0].message.parsed, Weather)
    row = dashcam.row(id=raw.headers["x-dashcam-id"])
    assert (row["outcome"], row["finish_kind"], row["operation"]) == ("completed", "stop", "chat")
    kept = json.loads(json.loads(dashcam.body(row["id"], "response"))["choices"][0]["message"]["content"])
    assert Weather(**kept) == answer.choices[0].message.parsed
    assert json.loads(dashcam.body(row["id"], "request"))["response_format"]["json_schema"]["name"] == "Weather"


def test_json_by_a_schema_streams(client: openai.OpenAI, dashcam: RunningDashcam) -> None:
    with client.chat.completions.stream(
        model=NAME, messages=MESSAGES, max_tokens=400, response_format=Weather
    ) as stream:
        parsed = stream.get_final_completion().choices[0].message.parsed
        identity = stream._response.headers["x-dashcam-id"]
    assert isinstance(parsed, Weather)
    row = dashcam.row(id=identity)
    (text,) = dashcam.query("select output_text from interaction_text where interaction_id = ?", identity)
    assert Weather(**json.loads(text["output_text"])) == parsed
    assert (row["outcome"], row["is_stream"], row["finish_kind"]) == ("completed", 1, "stop")


def test_a_json_object_without_a_schema(client: openai.OpenAI, dashcam: RunningDashcam) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=NAME, messages=MESSAGES, max_tokens=200, response_format={"type": "json_object"}, logit_bias={"}": 100}
    )
    said = raw.parse().choices[0].message.content
    assert json.loads(said or "") == {}
    row = dashcam.row(id=raw.headers["x-dashcam-id"])
    assert (row["outcome"], row["output_length"]) == ("completed", len(said or ""))


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_forced_tool_is_called(dashcam: RunningDashcam, is_stream: bool) -> None:
    options = {"stream": is_stream, "temperature": 0}
    asked = json.dumps({"model": NAME, "messages": MESSAGES, **FORCED, **options}).encode()
    row = dashcam.row(id=exchange(dashcam.port, request(asked)).header("x-dashcam-id"))
    assert (row["finish_reason"], row["finish_kind"], row["outcome"]) == ("tool_calls", "tool_call", "completed")
    assert json.loads(row["tool_names"]) == ["weather"]
    (text,) = dashcam.query("select output_text from interaction_text where interaction_id = ?", row["id"])
    name, _, arguments = text["output_text"].partition("(")
    assert name.endswith("weather")
    assert Weather(**json.loads(arguments.rpartition(")")[0]))


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_servers_own_completion_gives_its_counts_unasked(dashcam: RunningDashcam, is_stream: bool) -> None:
    asked = json.dumps({"prompt": "once upon", "n_predict": 6, "stream": is_stream}).encode()
    reply = exchange(dashcam.port, request(asked, path="/llamacpp/completion"))
    row = dashcam.row(id=reply.header("x-dashcam-id"))
    objects = [json.loads(line.removeprefix(b"data: ")) for line in reply.body.split(b"\n") if line.strip()]
    said = "".join(item["content"] for item in objects)
    assert (row["operation"], row["is_stream"], row["outcome"]) == ("llamacpp", int(is_stream), "completed")
    assert (row["usage_source"], row["output_tokens"], row["input_preview"]) == ("upstream_timings", 6, "once upon")
    assert row["output_length"] == len(said)
    assert (row["finish_kind"], row["cost_status"]) == ("truncated", "local")


def test_a_stream_that_asks_for_nothing_has_the_servers_timings(dashcam: RunningDashcam) -> None:
    asked = json.dumps({"model": NAME, "messages": MESSAGES, "max_tokens": 5, "stream": True}).encode()
    reply = exchange(dashcam.port, request(asked))
    row = dashcam.row(id=reply.header("x-dashcam-id"))
    assert (row["usage_source"], row["output_tokens"], row["request_modified"]) == ("upstream_timings", 5, 0)
    assert row["input_tokens"] > 0


@pytest.mark.parametrize("is_stream", [False, True])
def test_anthropics_dialect_of_the_same_server(dashcam: RunningDashcam, is_stream: bool) -> None:
    asked = json.dumps({"model": NAME, "messages": MESSAGES, "max_tokens": 7, "stream": is_stream}).encode()
    reply = exchange(dashcam.port, request(asked, path="/v1/messages"))
    assert reply.status == 200
    row = dashcam.row(id=reply.header("x-dashcam-id"))
    assert (row["operation"], row["usage_source"], row["output_tokens"]) == ("messages", "reported", 7)
    assert (row["finish_reason"], row["is_stream"], row["outcome"]) == ("max_tokens", int(is_stream), "completed")
    assert row["output_length"]


def test_the_upstreams_refusal_reaches_the_client_as_it_is(client: openai.OpenAI, dashcam: RunningDashcam) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": "hi"}], max_tokens="many")  # type: ignore[call-overload]
    row = dashcam.row(id=caught.value.response.headers["x-dashcam-id"])
    assert (row["outcome"], row["success"], row["http_status"]) == ("upstream_error", 0, 400)
    assert row["error_message"]


def test_leaving_in_the_middle_of_a_stream_is_on_record_as_client_gone(
    client: openai.OpenAI, dashcam: RunningDashcam
) -> None:
    stream = client.chat.completions.create(model=NAME, messages=MESSAGES, max_tokens=1900, stream=True)
    identity = stream.response.headers["x-dashcam-id"]
    seen = [next(stream) for _ in range(3)]
    stream.close()
    row = wait_until(
        lambda: dashcam.query("select * from interaction where id = ?", identity), "the row of the call that was left"
    )[0]
    assert (row["outcome"], row["success"], row["is_stream"]) == ("client_gone", 0, 1)
    assert row["response_bytes"] > 0
    kept = dashcam.body(identity, "response")
    assert seen[0].id.encode() in kept


async def test_the_asynchronous_client_chats_and_streams(dashcam: RunningDashcam) -> None:
    async with openai.AsyncOpenAI(base_url=f"{dashcam.url}/v1", api_key=SECRET, max_retries=0) as client:
        answer = await client.chat.completions.with_raw_response.create(model=NAME, messages=MESSAGES, max_tokens=3)
        stream = await client.chat.completions.create(model=NAME, messages=MESSAGES, max_tokens=5, stream=True)
        pieces = [chunk async for chunk in stream]
    assert answer.parse().choices[0].message.content
    assert pieces
    row = dashcam.row(id=stream.response.headers["x-dashcam-id"])
    assert (row["outcome"], row["is_stream"]) == ("completed", 1)
    assert dashcam.row(id=answer.headers["x-dashcam-id"])["output_tokens"] == 3


def test_the_key_is_nowhere_in_what_was_kept(client: openai.OpenAI, dashcam: RunningDashcam) -> None:
    client.chat.completions.create(model=NAME, messages=MESSAGES, max_tokens=2)
    dashcam.settle()
    kept = [path for path in dashcam.folder.rglob("*") if path.is_file()]
    assert [path.name for path in kept if SECRET.encode() in path.read_bytes()] == []
