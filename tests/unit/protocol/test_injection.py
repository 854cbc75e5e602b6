"""Usage is asked for by the smallest edit; every other byte stays."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.injection import (
    Edit,
    apply,
    combine,
    edits_of_scan,
    is_addition,
    metadata_edits,
    rename_edits,
    usage_edits,
)
from proxy.protocol.requests import WANTED, read
from proxy.protocol.scanner import TopLevelScanner
from proxy.protocol.scanning import scan

OPTIONS = [
    b"",
    b'"stream_options":null,',
    b'"stream_options":{},',
    b'"stream_options" : { } ,',
    b'"stream_options":{"include_usage":false},',
    b'"stream_options":{"include_obfuscation": false , "include_usage" : false },',
    b'"stream_options":{"x":{"include_usage":true}},',
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_sent_body_asks_for_usage_and_keeps_the_rest(options: bytes) -> None:
    body = b'{ "messages":[{"content":"\\u00e9 \\/ 1.0"}],' + options + b'"n":1.0, "stream":true}'
    sent = apply(body, usage_edits(body, read(body)[0]))
    assert json.loads(sent)["stream_options"]["include_usage"] is True
    rest = json.loads(sent)
    original = json.loads(body)
    others = original.get("stream_options") or {}
    assert {**rest.pop("stream_options")} == {**others, "include_usage": True}
    original.pop("stream_options", None)
    assert rest == original
    assert b"\\u00e9 \\/ 1.0" in sent


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream":true,"stream_options":{"include_usage":true}}',
        b'{"stream":false}',
        b'{"stream":"true"}',
        b'{"model":"m"}',
        b"[]",
        b"",
    ],
)
def test_nothing_is_edited_where_nothing_is_needed(body: bytes) -> None:
    assert usage_edits(body, read(body)[0]) == ()


def test_options_that_are_no_object_are_left_to_the_provider() -> None:
    body = b'{"stream":true,"stream_options":7}'
    assert usage_edits(body, read(body)[0]) == ()


@given(st.sampled_from(OPTIONS), st.text(max_size=40))
def test_a_scanned_large_body_gets_the_same_meaning(options: bytes, text: str) -> None:
    body = b'{"a":' + json.dumps(text).encode() + b"," + options + b'"stream":true}'
    sent = apply(body, edits_of_scan(scan(body, WANTED)))
    assert json.loads(sent)["stream_options"]["include_usage"] is True


@given(st.binary(max_size=60))
def test_no_edits_is_the_same_bytes(body: bytes) -> None:
    assert apply(body, ()) == body


@given(st.text(min_size=1, max_size=50), st.dictionaries(st.text(), st.integers() | st.text(), max_size=3))
def test_another_name_for_the_model_changes_the_bytes_of_that_value_alone(name: str, others: dict[str, object]) -> None:
    others.pop("model", None)
    before = json.dumps(others)[1:-1]
    body = ("{ " + before + (", " if before else "") + '"model" : "caf\\u00e9" , "n":1.0}').encode()
    ((offset, removed, _),) = rename_edits(scan(body, WANTED), name)
    sent = apply(body, rename_edits(scan(body, WANTED), name))
    assert body[offset : offset + removed] == b'"caf\\u00e9"'
    assert sent.startswith(body[:offset])
    assert sent.endswith(body[offset + removed :])
    assert json.loads(sent) == {**others, "model": name, "n": 1.0}


def test_of_a_model_that_is_said_twice_the_last_one_counts() -> None:
    body = b'{"model":"a","x":{"model":"b"},"model":"c"}'
    assert apply(body, rename_edits(scan(body, WANTED), "z")) == b'{"model":"a","x":{"model":"b"},"model":"z"}'


@pytest.mark.parametrize("body", [b"", b"[]", b'{"model":null}', b'{"model":["a"]}', b'{"n":1}', b'{"model":"a"'])
def test_where_no_name_stands_none_is_changed(body: bytes) -> None:
    assert rename_edits(scan(body, WANTED), "z") == ()
    assert rename_edits(scan(body, WANTED), "z") == ()


SPACE = st.sampled_from([b"", b" ", b"\n  "])
MEMBERS = st.sampled_from(
    [
        b'"model":"gpt-5"', b'"n":1.0', b'"x":{"metadata":{"a":1},"store":true}',
        b'"s":"\\u00e9 \\"metadata\\": ,{}"',
        b'"metadata":{}', b'"metadata" : {"k":"v, }"}',
        b'"metadata":{"long":"' + b"v" * 5000 + b'"}', b'"metadata":[1,2]',
    ]
)  # fmt: skip


def _is_metadata(member: bytes) -> bool:
    return member.startswith(b'"metadata"')


@given(st.lists(st.tuples(SPACE, MEMBERS, SPACE), max_size=6), st.data())
def test_metadata_goes_and_every_other_byte_stays(
    members: list[tuple[bytes, bytes, bytes]], data: st.DataObject
) -> None:
    body = b"{" + b",".join(map(b"".join, members)) + b"}"
    scanner = TopLevelScanner(WANTED)
    cut = data.draw(st.integers(0, len(body)))
    scanner.feed(body[:cut])
    scanner.feed(body[cut:])
    assert scanner.finish()
    kept = [member for member in members if not _is_metadata(member[1])]
    edits = metadata_edits(scanner)
    assert apply(body, edits) == b"{" + b",".join(map(b"".join, kept)) + b"}"
    assert not any(map(is_addition, edits))


@given(st.lists(MEMBERS, max_size=4), st.lists(MEMBERS, max_size=4))
def test_both_edits_together_leave_a_document(before: list[bytes], after: list[bytes]) -> None:
    body = b"{" + b",".join([*before, b'"stream":true', *after]) + b"}"
    scanner = scan(body, WANTED)
    edits = sorted((*edits_of_scan(scanner), *metadata_edits(scanner)), key=lambda edit: edit[:2])
    expected = {name: value for name, value in json.loads(body).items() if name != "metadata"}
    assert json.loads(apply(body, edits)) == {**expected, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("body", [b"[]", b'{"a":{"metadata":1}}', b'{"metadata":1', b'{"meta\\u0064ata":1}', b""])
def test_where_no_metadata_can_be_cut_out_nothing_is(body: bytes) -> None:
    assert metadata_edits(scan(body, WANTED)) == ()


@st.composite
def edits_of(draw: st.DrawFn, length: int) -> tuple[Edit, ...]:
    """Return edits of a body of one-byte characters."""
    edges = sorted(draw(st.lists(st.integers(0, length), max_size=6)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return tuple((start, end - start, draw(st.sampled_from(["", "x", "yz", "a text"]))) for start, end in pairs)


@given(st.data(), st.text("ab", max_size=12).map(str.encode))
def test_two_lists_of_edits_combine_into_one(data: st.DataObject, body: bytes) -> None:
    first = data.draw(edits_of(len(body)))
    between = apply(body, first)
    second = data.draw(edits_of(len(between)))
    both = combine(first, second)
    assert apply(body, both) == apply(between, second)
    assert all(earlier[0] + earlier[1] <= later[0] for earlier, later in itertools.pairwise(both))


def test_an_edit_inside_a_text_of_many_bytes_a_character_stays_text() -> None:
    body, first = b'{"a":1}', ((5, 1, '"\u00e9\u00e9"'),)
    at = apply(body, first).index(b'"', 6)
    assert combine(first, ((at, 0, "!"),)) == ((5, 1, '"\u00e9\u00e9!"'),)
