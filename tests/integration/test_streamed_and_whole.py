"""A streamed answer assembles to the same as the unstreamed one, however a provider cuts it into deltas."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol import chat, messages, responses, sse
from proxy.protocol.assembly import Assembly
from tests.support.recorded import events, response_events

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAME = st.sampled_from(["add", "look", "note"])
TOOLS = st.lists(st.tuples(NAME, st.sampled_from(["{}", '{"a":1}', '{"text":"ü \\\\n"}'])), max_size=3)
CHOICE = st.fixed_dictionaries({"content": TEXT, "reasoning": TEXT, "refusal": TEXT, "tools": TOOLS})
REASON = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
CHOICES = st.lists(st.tuples(CHOICE, REASON), min_size=1, max_size=3)
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
HEAD = {"id": "chatcmpl-1", "model": "m-1", "service_tier": "flex", "system_fingerprint": "fp"}


def facts_of(made: Assembly) -> tuple[Any, ...]:
    choices = [
        (
            *("".join(part) for part in (choice.content, choice.reasoning, choice.refusal)),
            [(call.id, call.name, "".join(call.arguments)) for call in choice.tool_calls],
            choice.finish_reason,
        )
        for _, choice in sorted(made.choices.items())
    ]
    return choices, made.usage, made.response_id, made.model, made.service_tier, made.fingerprint, made.has_ended


def cut(text: str, luck: random.Random) -> list[str]:
    places = sorted(luck.sample(range(1, len(text)), min(len(text) - 1, luck.randint(0, 4)))) if len(text) > 1 else []
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True) if text]


def deltas_of(choice: dict[str, Any], luck: random.Random) -> list[dict[str, Any]]:
    """Return the deltas of one choice; those of its calls interleave, as providers do it."""
    spoken: list[dict[str, Any]] = [
        {name: piece} for name in ("reasoning", "content", "refusal") for piece in cut(choice[name], luck)
    ]
    waiting = []
    for index, (name, arguments) in enumerate(choice["tools"]):
        first = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
        spoken.append({"tool_calls": [first]})
        waiting.append([{"index": index, "function": {"arguments": piece}} for piece in cut(arguments, luck)])
    while any(waiting):
        queue = luck.choice([queue for queue in waiting if queue])
        spoken.append({"tool_calls": [queue.pop(0)]})
    return spoken


@given(CHOICES, st.randoms(use_true_random=False))
def test_chat(choices: list[tuple[dict[str, Any], str]], luck: random.Random) -> None:
    queues = [
        [*({"index": number, "delta": delta, "finish_reason": None} for delta in deltas_of(choice, luck)),
         {"index": number, "delta": {}, "finish_reason": reason}]
        for number, (choice, reason) in enumerate(choices)
    ]  # fmt: skip
    said = []
    while any(queues):
        said.append({**HEAD, "choices": [luck.choice([queue for queue in queues if queue]).pop(0)], "usage": None})
    stream = events(*said, {**HEAD, "choices": [], "usage": USAGE}) + b"data: [DONE]\n\n"
    whole = {
        **HEAD, "usage": USAGE,
        "choices": [
            {"index": number, "finish_reason": reason, "message": {
                **{name: choice[name] for name in ("content", "reasoning", "refusal")},
                "tool_calls": [
                    {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
                    for index, (name, arguments) in enumerate(choice["tools"])
                ]}}
            for number, (choice, reason) in enumerate(choices)
        ],
    }  # fmt: skip
    assert facts_of(chat.assemble_events(sse.decode(stream))) == facts_of(chat.assemble_whole(whole))


def response_of(choice: dict[str, Any]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "output_text", "text": choice["content"], "annotations": []}]
    parts += [{"type": "refusal", "refusal": choice["refusal"]}]
    calls = [
        {"type": "function_call", "call_id": f"call_{index}", "name": name, "arguments": arguments}
        for index, (name, arguments) in enumerate(choice["tools"])
    ]
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": choice["reasoning"]}]}
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    output = [thought, {"type": "message", "role": "assistant", "content": parts}, *calls]
    return {"id": "resp_1", "model": "m-1", "status": "completed", "output": output, "usage": usage, "error": None}


@given(CHOICE, st.randoms(use_true_random=False), st.booleans())
def test_responses(choice: dict[str, Any], luck: random.Random, is_cut_off: bool) -> None:
    whole = response_of(choice)
    said: list[dict[str, Any]] = [{"type": "response.created", "response": {**whole, "output": [], "usage": None}}]
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index}
        said.append({"type": "response.output_item.added", **place, "item": {**item, "content": [], "arguments": ""}})
        for kind, text in (
            ("output_text", choice["content"] if item["type"] == "message" else ""),
            ("refusal", choice["refusal"] if item["type"] == "message" else ""),
            ("reasoning_summary_text", choice["reasoning"] if item["type"] == "reasoning" else ""),
            ("function_call_arguments", item.get("arguments", "")),
        ):
            said += [{"type": f"response.{kind}.delta", **place, "delta": piece} for piece in cut(text, luck)]
        if luck.random() < 0.5:
            # Not every server repeats an item when it is done.
            said.append({"type": "response.output_item.done", **place, "item": item})
    if not is_cut_off:
        said.append({"type": "response.completed", "response": whole})
    streamed, unstreamed = (
        facts_of(responses.assemble_events(sse.decode(response_events(*said)))),
        facts_of(responses.assemble_whole(whole)),
    )
    # What was said is the same also where the terminal event never came; counts and reason are not known then.
    assert streamed[0][0][:4] == unstreamed[0][0][:4]
    assert is_cut_off or streamed == unstreamed


@given(CHOICE, st.randoms(use_true_random=False))
def test_messages(choice: dict[str, Any], luck: random.Random) -> None:
    usage = {"input_tokens": 7, "output_tokens": 5}
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": choice["reasoning"]},
        {"type": "text", "text": choice["content"]},
        *({"type": "tool_use", "id": f"t{index}", "name": name, "input": {"number": index}}
          for index, (name, _) in enumerate(choice["tools"])),
    ]  # fmt: skip
    whole = {"id": "msg_1", "model": "m", "content": blocks, "stop_reason": "end_turn", "usage": usage}
    start = {**whole, "content": [], "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 1}}
    said: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(blocks):
        empty = block | dict.fromkeys({"text", "thinking"} & set(block), "")
        said.append({"type": "content_block_start", "index": index, "content_block": {**empty, "input": {}}})
        arguments = f'{{"number": {index - 2}}}' if "input" in block else ""
        for name, text in (("thinking", block.get("thinking", "")), ("text", block.get("text", ""))):
            said += [{"type": "content_block_delta", "index": index, "delta": {name: part}} for part in cut(text, luck)]
        said += [
            {"type": "content_block_delta", "index": index, "delta": {"partial_json": part}}
            for part in cut(arguments, luck)
        ]
    said.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}})
    said.append({"type": "message_stop"})
    streamed = facts_of(messages.assemble_events(sse.decode(response_events(*said))))
    assert streamed == facts_of(messages.assemble_whole(whole))
