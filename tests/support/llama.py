"""A real llama.cpp server with a tiny random model: ``python -m tests.support.llama FOLDER``.

The model is made here, not downloaded: two layers, 415 tokens, a few hundred kilobytes of random weights from a fixed
seed. It talks nonsense, but through the real code: templates, tokenizer, sampling, grammars, SSE, usage. Byte and
control tokens have zero output weights, so that what is sampled is text and generation ends by its limit; single
characters have small ones, so that they are said where a grammar (a JSON schema, a forced tool) leaves nothing else.
Prints its address and serves until standard input closes, so that it can never outlive the test that started it.
"""

from __future__ import annotations

import sys
from pathlib import Path

NAME = "tiny-llama"
TOOL_CALL = "<tool_call>"
END = 2
"""The tokens that begin a tool's call and end an answer: said only where ``logit_bias`` wants them."""

_WIDTH, _LAYERS, _HEADS, _HIDDEN = 64, 2, 4, 128
_WORDS = (
    "the a of to and in is it you that he was for on are with as his they be at one have this from or had by hot "
    "but some what there we can out other were all your when up use word how said an each she"
)
_CHARACTERS = ["\u2581", *map(chr, range(0x21, 0x7F))]
_TEMPLATE = """\
{%- if tools %}tools: {% for tool in tools %}{{ tool | tojson }}
{% endfor %}{% endif %}
{%- for message in messages %}{{ message.role }}: {{ message.content or '' }}
{%- for call in message.tool_calls or [] %}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor %}
{% endfor %}
{%- if add_generation_prompt %}assistant:{% endif %}"""


def write_model(path: Path) -> None:
    """Write the model file."""
    import gguf
    import numpy

    random = numpy.random.default_rng(7)
    tokens, kinds = _vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(NAME)
    writer.add_context_length(2048)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([float(-index) for index in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_add_space_prefix(False)  # it would stand between the grammar of a format and the generation prompt
    writer.add_chat_template(_TEMPLATE)

    def add(name: str, *shape: int, scale: float = 0.3) -> None:
        writer.add_tensor(name, (random.standard_normal(shape) * scale).astype(numpy.float32))

    add("token_embd.weight", len(tokens), _WIDTH, scale=1.0)
    output = (random.standard_normal((len(tokens), _WIDTH))).astype(numpy.float32)
    output[[index for index, kind in enumerate(kinds) if kind != gguf.TokenType.NORMAL]] = 0.0
    output[-len(_CHARACTERS) :] *= 0.01
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", numpy.ones(_WIDTH, numpy.float32))
    for layer in range(_LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", numpy.ones(_WIDTH, numpy.float32))
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{part}.weight", _WIDTH, _WIDTH)
        add(f"blk.{layer}.ffn_gate.weight", _HIDDEN, _WIDTH)
        add(f"blk.{layer}.ffn_up.weight", _HIDDEN, _WIDTH)
        add(f"blk.{layer}.ffn_down.weight", _WIDTH, _HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _vocabulary() -> tuple[list[bytes], list[int]]:
    """Return tokens and kinds: three control tokens, every byte, then words and printable characters."""
    from gguf import TokenType

    tokens = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % byte for byte in range(256))]
    kinds = [int(TokenType.UNKNOWN), int(TokenType.CONTROL), int(TokenType.CONTROL), *[int(TokenType.BYTE)] * 256]
    words = ["\u2581" + word for word in _WORDS.split()] + _CHARACTERS
    tokens += [word.encode() for word in (TOOL_CALL, *words)]
    return tokens, [*kinds, int(TokenType.USER_DEFINED), *[int(TokenType.NORMAL)] * len(words)]


def main() -> None:
    """Serve the model until standard input closes."""
    import xllamacpp  # type: ignore[import-untyped]

    model = Path(sys.argv[1]) / "tiny.gguf"
    write_model(model)
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 8192
    params.n_parallel = 4
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_threads_http = 4
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.use_jinja = True
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
