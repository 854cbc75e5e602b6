"""A form is understood however it is cut, and loses nothing but what is in its files."""

from __future__ import annotations

import hashlib
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.multipart import (
    MAX_FIELD,
    MAX_PARTS,
    FilePart,
    Form,
    Reducer,
    boundary_of,
    model_place,
    peek,
    reduce,
)
from tests.support.forms import field, file, form

SOUND = bytes(range(256)) * 40
BODY = form(
    field("model", "whisper-1"),
    field("timestamp_granularities[]", "word"),
    field("timestamp_granularities[]", "segment"),
    file("file", "a b.mp3", "audio/mpeg", SOUND),
    field("prompt", "Umlaute: ä\r\nand two lines"),
)


def in_slices(body: bytes, size: int) -> tuple[Form, bytes]:
    reducer = Reducer(b"XX")
    for at in range(0, len(body), size):
        reducer.feed(body[at : at + size])
    reduced = reducer.finish()
    return reducer.form, reduced


def test_fields_and_files() -> None:
    found, reduced = reduce(BODY, b"XX")
    assert found.values() == {
        "model": "whisper-1",
        "timestamp_granularities": ["word", "segment"],
        "prompt": "Umlaute: ä\r\nand two lines",
    }
    assert found.files == [FilePart("file", "a b.mp3", "audio/mpeg", len(SOUND), hashlib.sha256(SOUND).hexdigest())]
    assert found.is_whole
    assert len(reduced) < 1000


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_any_cut_gives_the_same_form(size: int) -> None:
    assert in_slices(BODY, size) == reduce(BODY, b"XX")


def test_reducing_what_was_reduced_changes_nothing() -> None:
    found, reduced = reduce(BODY, b"XX")
    assert reduce(reduced, b"XX") == (found, reduced)


def test_a_form_without_files_stays_as_it_is() -> None:
    body = form(field("model", "m"), field("empty", ""))
    found, reduced = reduce(body, b"XX")
    assert (reduced, found.values()) == (body, {"model": "m", "empty": ""})


def test_what_was_reduced_is_a_form_for_any_reader() -> None:
    _, reduced = reduce(BODY, b"XX")
    parts = BytesParser().parsebytes(b"Content-Type: multipart/form-data; boundary=XX\r\n\r\n" + reduced).get_payload()
    assert isinstance(parts, list)
    assert [part.get_filename() for part in parts if part.get_filename()] == ["a b.mp3"]  # type: ignore[union-attr]


@pytest.mark.parametrize("end", [1, 30, 60, 200, len(BODY) - 30, len(BODY) - 6])
def test_a_form_that_is_cut_off_tells_what_came(end: int) -> None:
    found, reduced = reduce(BODY[:end], b"XX")
    assert not found.is_whole
    assert SOUND[:256] not in reduced


def test_bounds() -> None:
    long = reduce(form(field("prompt", "x" * (MAX_FIELD + 9))), b"XX")[0]
    assert len(long.fields[0][1]) == MAX_FIELD
    many = reduce(form(*[field("a", "b")] * (MAX_PARTS + 5)), b"XX")[0]
    assert len(many.fields) == MAX_PARTS
    endless = Reducer(b"XX")
    for _ in range(100):
        endless.feed(b"--XX\r\nA: " + b"b" * 1000)
    assert endless.form == Form()


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/form-data; boundary=XX", b"XX"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b"', b"a b"),
        ("multipart/form-data", None),
        ("application/json; boundary=XX", None),
        (None, None),
    ],
)
def test_boundary(header: str | None, boundary: bytes | None) -> None:
    assert boundary_of(header) == boundary


def peeked(ends: bytes, boundary: bytes) -> dict[str, str]:
    """Return what is seen by its name; every place that is told holds the value that is told."""
    seen = peek(ends, boundary)
    assert all(ends[item.at : item.at + item.length] == item.value.encode() for item in seen)
    return {item.name: item.value for item in seen}


def test_the_model_of_a_whole_form_has_a_place() -> None:
    twice = form(field("model", "a"), field("model", "b"))
    assert model_place(BODY, b"XX") == (BODY.index(b"whisper-1"), 9)
    assert (model_place(twice, b"XX"), model_place(form(field("x", "y")), b"XX")) == (None, None)


def test_model_and_stream_are_seen_at_either_end() -> None:
    assert peeked(BODY[:500], b"XX") == {"model": "whisper-1"}
    late = form(file("file", "a", "audio/mpeg", SOUND), field("stream", "true"), field("model", "late"))
    assert peeked(late[-400:], b"XX") == {"model": "late", "stream": "true"}
    assert peeked(SOUND, b"XX") == {}


def test_a_form_within_a_file_is_not_taken_for_the_form() -> None:
    inner = form(field("model", "of-the-file"), field("stream", "true")).replace(b"--XX", b"--YY")
    body = form(field("model", "ours"), file("file", "a.http", "multipart/form-data; boundary=YY", inner))
    assert peeked(body, b"XX") == {"model": "ours"}
    longer = body.replace(b"--YY", b"--XXY")
    assert peeked(longer, b"XX") == {"model": "ours"}
    assert reduce(body, b"XX")[0].values() == {"model": "ours"}


def test_what_is_not_whole_is_not_seen() -> None:
    assert peeked(form(field("model", "whisper-1"))[:-12], b"XX") == {}
    assert peeked(form(file("model", "a", "text/plain", b"x")), b"XX") == {}


@given(st.binary(max_size=300), st.integers(1, 50))
def test_nothing_raises_and_no_cut_matters(noise: bytes, size: int) -> None:
    body = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n" + noise
    assert in_slices(body, size) == reduce(body, b"XX")
    reduce(noise, b"XX")
    peek(noise, b"XX")


@given(st.lists(st.tuples(st.sampled_from(["a", "b[]"]), st.binary(max_size=60)), max_size=6), st.integers(1, 40))
def test_every_content_comes_back(parts: list[tuple[str, bytes]], size: int) -> None:
    parts = [(name, content) for name, content in parts if b"--XX" not in content]
    found, _ = in_slices(form(*[file(name, "f", "x/y", content) for name, content in parts]), size)
    digests = [hashlib.sha256(content).hexdigest() for _, content in parts]
    assert [(item.name, item.sha256) for item in found.files] == list(
        zip([name for name, _ in parts], digests, strict=True)
    )


@pytest.mark.parametrize(
    ("said", "name"),
    [('"a b.mp3"', "a b.mp3"), ("a.mp3", "a.mp3"), ("a.mp3; size=3", "a.mp3"), ('""', ""), ('"open', "open")],
)
def test_how_a_file_may_be_named(said: str, name: str) -> None:
    head = f"Content-Disposition: form-data; name=file; filename={said}\r\n\r\n".encode()
    found, _ = reduce(form(head + b"123"), b"XX")
    assert [(item.name, item.filename, item.size) for item in found.files] == [("file", name, 3)]


@pytest.mark.parametrize(
    "maze",
    [
        b"content-disposition:;name=" * 700,
        b'content-disposition: ; name="model"\r\n' * 400,
        b"--XX\r\n" + b" filename= " * 1500 + b"\r\n\r\nx",
        b"--XX\r\nA: " + b"\x20" * 200_000 + b"\r\n\r\nx",
    ],
)
def test_mazes_are_left_soon(maze: bytes) -> None:
    """Not timed: what takes quadratic time here takes minutes, and the run has a limit."""
    for _ in range(20):
        peek(maze[:16_384], b"XX")
        reduce(maze, b"XX")
