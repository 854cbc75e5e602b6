"""What the row says of an answer is what the official client makes of it: text, tool calls, counts.

Each kept answer that the client can read is sent by the scripted upstream, through the running program, to the client's
own method for it; the client accumulates, and the row must agree.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from tests.support.dashcam import RunningDashcam
from tests.support.recorded import JSON, answer
from tests.support.scenarios import SSE
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.shapes import CHAT, COMPLETIONS, RESPONSES, SHAPES, Shape

ASKED: Any = [{"role": "user", "content": "hi"}]
SOUND = ("a.wav", b"RIFF0000WAVE")
USAGE: Any = {"include_usage": True}


@dataclass
class Accumulated:
    """What the client has: the text it says (None: not looked at), its usage object, Dashcam's id of the call."""

    said: str | None
    usage: Any
    identity: str


def _call(name: str | None, arguments: str) -> str:
    return f"{name}({arguments})"


def chat(client: openai.OpenAI) -> Accumulated:
    with client.chat.completions.stream(model="gpt-5.4", messages=ASKED, stream_options=USAGE) as stream:
        final = stream.get_final_completion()
        said = []
        for choice in final.choices:
            message = choice.message
            text = message.content or message.refusal or (message.audio.transcript if message.audio else "")
            calls = [
                _call(c.function.name, c.function.arguments) for c in message.tool_calls or () if c.type == "function"
            ]
            said.append("\n".join(part for part in (text, *calls) if part))
        return Accumulated("\n\n".join(said), final.usage, stream._response.headers["x-dashcam-id"])


def whole_chat(client: openai.OpenAI) -> Accumulated:
    raw = client.chat.completions.with_raw_response.create(model="gpt-5.4", messages=ASKED)
    made = raw.parse()
    return Accumulated(made.choices[0].message.content, made.usage, raw.headers["x-dashcam-id"])


def completion(client: openai.OpenAI) -> Accumulated:
    stream = client.completions.create(model="m", prompt="hi", stream=True, stream_options=USAGE)
    chunks = list(stream)
    said = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    return Accumulated(said, chunks[-1].usage, stream.response.headers["x-dashcam-id"])


def response(client: openai.OpenAI) -> Accumulated:
    stream = client.responses.create(model="gpt-5.4", input="hi", stream=True)
    final: Any = list(stream)[-1]
    calls = [_call(item.name, item.arguments) for item in final.response.output if item.type == "function_call"]
    parts = [part for item in final.response.output if item.type == "message" for part in item.content]
    texts = [part.text if part.type == "output_text" else part.refusal for part in parts]
    return Accumulated("\n".join([*texts, *calls]), final.response.usage, stream.response.headers["x-dashcam-id"])


def image_edit(client: openai.OpenAI) -> Accumulated:
    stream = client.images.edit(image=[SOUND, SOUND], prompt="a cat", model="gpt-image-1", stream=True)
    final: Any = list(stream)[-1]
    return Accumulated("", final.usage, stream.response.headers["x-dashcam-id"])


def image(client: openai.OpenAI) -> Accumulated:
    raw = client.images.with_raw_response.generate(prompt="a cat", model="gpt-image-1")
    return Accumulated(None, raw.parse().usage, raw.headers["x-dashcam-id"])


def transcript(client: openai.OpenAI) -> Accumulated:
    stream = client.audio.transcriptions.create(file=SOUND, model="gpt-4o-transcribe", stream=True)
    final: Any = list(stream)[-1]
    return Accumulated(final.text, final.usage, stream.response.headers["x-dashcam-id"])


def whole_transcript(client: openai.OpenAI) -> Accumulated:
    raw = client.audio.transcriptions.with_raw_response.create(file=SOUND, model="whisper-1")
    made: Any = raw.parse()
    assert made.usage.type == "duration"
    return Accumulated(made.text, None, raw.headers["x-dashcam-id"])


def speech(client: openai.OpenAI) -> Accumulated:
    raw = client.audio.speech.with_raw_response.create(input="hi", model="tts", voice="alloy", stream_format="sse")
    last = raw.content.decode().strip().rpartition("data: ")[2]
    usage = openai.types.CompletionUsage.model_construct(**json.loads(last)["usage"])
    return Accumulated("", usage, raw.headers["x-dashcam-id"])


def run(client: openai.OpenAI) -> Accumulated:
    with pytest.warns(DeprecationWarning, match="deprecated"):
        stream = client.beta.threads.create_and_run(assistant_id="asst_1", stream=True)
    events: Any = list(stream)
    words = [event.data.delta.content[0].text.value for event in events if event.event == "thread.message.delta"]
    final = next(event for event in events if event.event == "thread.run.completed")
    return Accumulated("".join(words), final.data.usage, stream.response.headers["x-dashcam-id"])


def embedding(client: openai.OpenAI) -> Accumulated:
    raw = client.embeddings.with_raw_response.create(input=["a", "b"], model="text-embedding-3-small")
    made = raw.parse()
    assert made.data[1].embedding[3] == 1.0
    return Accumulated("", made.usage, raw.headers["x-dashcam-id"])


METHODS: dict[tuple[str, bool], Callable[[openai.OpenAI], Accumulated]] = {
    (CHAT, True): chat,
    (CHAT, False): whole_chat,
    (COMPLETIONS, True): completion,
    (RESPONSES, True): response,
    ("/images/edits", True): image_edit,
    ("/images/generations", False): image,
    ("/audio/transcriptions", True): transcript,
    ("/audio/transcriptions", False): whole_transcript,
    ("/audio/speech", True): speech,
    ("/threads/runs", True): run,
    ("/embeddings", False): embedding,
}
SHOWN = [shape for shape in SHAPES if shape.by_sdk and (shape.path, shape.is_stream) in METHODS]


def sends(shape: Shape) -> Callable[[Turn], Any]:
    body = answer(shape.name)

    async def scenario(turn: Turn) -> None:
        if shape.media == JSON:
            await turn.answer(body, b"Content-Type: application/json")
            return
        await turn.head(*SSE)
        for start in range(0, len(body), 97):
            await turn.chunk(body[start : start + 97])
        await turn.chunk(b"")

    return scenario


@pytest.mark.parametrize("shape", SHOWN, ids=lambda shape: shape.name)
def test_the_row_is_what_the_client_accumulates(
    client: openai.OpenAI, dashcam: RunningDashcam, upstream: ScriptedUpstream, shape: Shape
) -> None:
    upstream.scenario = sends(shape)
    made = METHODS[shape.path, shape.is_stream](client)
    row = dashcam.row(id=made.identity)
    text = dashcam.query("select output_text from interaction_text where interaction_id = ?", made.identity)
    if made.said is not None:
        assert ((text[0]["output_text"] if text else None) or "") == made.said
    asked = getattr(made.usage, "prompt_tokens", None) or getattr(made.usage, "input_tokens", None)
    written = getattr(made.usage, "completion_tokens", None) or getattr(made.usage, "output_tokens", None)
    assert (row["input_tokens"], row["output_tokens"]) == (asked, written)
    assert (row["outcome"], row["finish_reason"]) == (shape.outcome.value, shape.reason)
    assert dashcam.body(made.identity, "response") == answer(shape.name)


def test_every_kept_answer_that_the_client_reads_is_shown_to_it() -> None:
    assert {shape.name for shape in SHAPES if shape.by_sdk} - {shape.name for shape in SHOWN} == {"agent_turn.sse"}
