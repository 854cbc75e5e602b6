"""Headers that say something about a call: what is understood, what is cut, and that nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.tagging import (
    LIMITS,
    MAX_KEY,
    MAX_PAIRS,
    MAX_TAG,
    MAX_TAGS,
    MAX_VALUE,
    is_for_gateways,
    is_understood,
    read_headers,
    record_mode,
)

OWN_ID = "0193a3e2-7b1c-7cc0-8b9f-3a4c5d6e7f80"


def latin(text: str) -> str:
    """Return a text as a header's bytes come out of the recorder."""
    return text.encode().decode("latin-1")


def test_ours_are_read() -> None:
    found = read_headers(
        [
            ("x-dashcam-user", " kim "), ("x-dashcam-session", "s-1"), ("x-dashcam-path", "/a/b"),
            ("x-dashcam-app", "shop"), ("x-dashcam-environment", "prod"), ("x-dashcam-id", OWN_ID.upper()),
            ("x-dashcam-tags", "eu, beta,,eu"),
            ("x-dashcam-metadata", '{"team":"blue","n":7,"deep":{"a":[1]},"no":null}'),
            ("x-dashcam-meta-team", "red"), ("authorization", "Bearer x"),
        ]
    )  # fmt: skip
    assert found.fields == {"user": "kim", "session": "s-1", "path": "/a/b", "app": "shop", "environment": "prod"}
    assert (found.call_id, list(found.tags)) == (OWN_ID, ["eu", "beta"])
    assert found.metadata == {"team": "red", "n": "7", "deep": '{"a": [1]}'}
    assert found.warnings() == ""


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("helicone-user-id", "kim", "user", "kim"),
        ("x-litellm-customer-id", "kim", "user", "kim"),
        ("x-litellm-end-user-id", "kim", "user", "kim"),
        ("x-portkey-metadata", '{"_user":"kim"}', "user", "kim"),
        ("helicone-session-id", "s", "session", "s"),
        ("helicone-session-path", "/p", "path", "/p"),
        ("helicone-session-name", "n", "session_name", "n"),
        ("x-portkey-trace-id", "t", "trace", "t"),
    ],
)
def test_the_words_of_other_gateways_are_read(name: str, value: str, field: str, read: str) -> None:
    assert read_headers([(name, value)]).fields[field] == read


@pytest.mark.parametrize(
    "name",
    ["x-dashcam-metadata", "x-portkey-metadata", "x-litellm-spend-logs-metadata", "cf-aig-metadata", "x-tfy-metadata"],
)
def test_metadata_comes_under_five_names(name: str) -> None:
    assert read_headers([(name, '{"a":"b"}')]).metadata == {"a": "b"}


def test_other_gateways_pairs_tags_and_ids_are_read() -> None:
    found = read_headers(
        [("helicone-property-team", "blue"), ("x-litellm-tags", "a,b"), ("helicone-request-id", OWN_ID)]
    )
    assert (found.metadata, list(found.tags), found.call_id) == ({"team": "blue"}, ["a", "b"], OWN_ID)


def test_ours_win_over_other_names_whatever_comes_first() -> None:
    found = read_headers(
        [("helicone-user-id", "theirs"), ("cf-aig-metadata", '{"k":"theirs","x":"y"}'), ("x-dashcam-user", "ours"),
         ("x-dashcam-metadata", '{"k":"ours"}')]
    )  # fmt: skip
    assert (found.fields["user"], found.metadata) == ("ours", {"k": "ours", "x": "y"})


def test_doubles_join_where_they_can_and_else_the_first_counts() -> None:
    found = read_headers(
        [("x-dashcam-tags", "a"), ("x-dashcam-tags", "b"), ("x-dashcam-user", "one"), ("x-dashcam-user", "two")]
    )
    assert (list(found.tags), found.fields["user"]) == (["a", "b"], "one")


def test_what_is_too_long_or_too_many_is_cut_and_said_in_words_of_ours() -> None:
    found = read_headers(
        [
            ("x-dashcam-user", "u" * 10_000),
            ("x-dashcam-tags", ",".join(f"secret{number}" for number in range(10_000))),
            ("x-dashcam-tags", "t" * 1000),
            ("x-dashcam-meta-secret", "v" * 1000),
            ("x-dashcam-metadata", "{" + ",".join(f'"secret{n}":1' for n in range(100)) + "}"),
            ("x-dashcam-id", "secret"),
        ]
    )
    assert len(found.fields["user"]) == LIMITS["user"]
    assert len(found.tags) == MAX_TAGS
    assert len(found.metadata) == MAX_PAIRS
    assert len(found.metadata["secret"]) == MAX_VALUE
    assert found.warnings() == (
        "id is no UUID and was left out; metadata cut to 64 characters a key, 512 a value; "
        "tags cut to 64 characters; user cut to 200 characters; "
        f"{10_001 - MAX_TAGS} tags beyond 32 left out; {101 - MAX_PAIRS} metadata beyond 32 left out"
    )


@pytest.mark.parametrize("value", ["[1]", "7", "{", "", '{"a":', "[" * 60_000, '{"a":' * 20_000])
def test_metadata_that_is_no_object_is_left_out_and_said(value: str) -> None:
    found = read_headers([("x-dashcam-metadata", value)])
    assert (found.metadata, found.warnings()) == ({}, "metadata is no JSON object and was left out")


def test_utf8_is_read_as_that_and_anything_else_as_latin1() -> None:
    assert read_headers([("x-dashcam-user", latin("Zoë 界"))]).fields["user"] == "Zoë 界"
    assert read_headers([("x-dashcam-user", "Zo\xeb")]).fields["user"] == "Zoë"


NAMES = (
    "x-dashcam-user x-dashcam-tags x-dashcam-metadata x-dashcam-meta-a x-dashcam-id x-dashcam-record x-tfy-metadata "
    "x-portkey-metadata helicone-property- x-dashcam-meta- helicone-request-id traceparent"
)
ANY_VALUE = st.text(st.characters(max_codepoint=255), max_size=300)
ANY_HEADER = st.tuples(st.sampled_from(NAMES.split()), ANY_VALUE)


@given(st.lists(ANY_HEADER, max_size=60))
def test_anything_is_read_within_the_limits(headers: list[tuple[str, str]]) -> None:
    found = read_headers(headers)
    assert all(0 < len(value) <= LIMITS[name] for name, value in found.fields.items())
    assert len(found.tags) <= MAX_TAGS
    assert all(0 < len(tag) <= MAX_TAG and tag == tag.strip() and "," not in tag for tag in found.tags)
    assert len(found.metadata) <= MAX_PAIRS
    assert all(0 < len(key) <= MAX_KEY and len(value) <= MAX_VALUE for key, value in found.metadata.items())
    assert found.warnings().isascii()
    assert found.warnings().isprintable()
    assert len(found.warnings()) < 500


TAG = st.text(st.characters(codec="ascii", exclude_characters=",", categories=("L", "N", "P")), min_size=1)
TAGS = st.lists(TAG.map(lambda word: word[:MAX_TAG]), max_size=MAX_TAGS, unique=True)


@given(TAGS)
def test_tags_within_the_limits_come_out_as_they_went_in(tags: list[str]) -> None:
    assert list(read_headers([("x-dashcam-tags", ", ".join(tags))]).tags) == tags


@pytest.mark.parametrize(
    ("headers", "mode"),
    [
        ([], "full"),
        ([(b"x-dashcam-record", b"full")], "full"),
        ([(b"X-Dashcam-Record", b" Meta ")], "meta"),
        ([(b"x-dashcam-record", b"none")], "none"),
        ([(b"x-dashcam-record", b"nothing please \xff")], "meta"),
        ([(b"x-dashcam-record", b"none"), (b"x-dashcam-record", b"full")], "none"),
        ([(b"cf-aig-collect-log-payload", b"false")], "meta"),
        ([(b"cf-aig-collect-log-payload", b"true")], "full"),
        ([(b"x-litellm-enable-message-redaction", b"True")], "meta"),
        ([(b"Helicone-Omit-Response", b"true")], "meta"),
        ([(b"helicone-omit-request", b"true"), (b"x-dashcam-record", b"full")], "meta"),
    ],
)
def test_the_least_that_is_asked_for_is_kept(headers: list[tuple[bytes, bytes]], mode: str) -> None:
    known: dict[bytes, bytes] = {}
    for name, value in headers:
        known.setdefault(name.lower(), value)
    assert record_mode(known, headers) == mode


def test_a_span_to_be_kept_is_read_and_of_several_the_shortest_counts() -> None:
    assert read_headers([("x-dashcam-retention", "7d")]).retention == 7 * 86_400
    said = [("x-dashcam-retention", "7d"), ("x-dashcam-retention", "12h"), ("x-dashcam-retention", "soon")]
    found = read_headers(said)
    assert found.retention == 43_200
    assert found.warnings() == "retention is no span such as 7d and was left out"
    assert read_headers([("x-dashcam-retention", "")]).retention is None


def test_an_unknown_word_for_recording_is_said() -> None:
    assert "kept as meta" in read_headers([("x-dashcam-record", "off")]).warnings()


@pytest.mark.parametrize(
    "name", ["helicone-auth", "x-portkey-api-key", "x-portkey-config", "x-litellm-api-key", "cf-aig-authorization"]
)
def test_other_gateways_credentials_are_theirs_and_never_understood(name: str) -> None:
    assert is_for_gateways(name)
    assert not is_understood(name)


@pytest.mark.parametrize("name", ["x-dashcam-prompt", "x-dashcam-prompt-fallback", "x-dashcam-meta-team"])
def test_our_own_headers_are_understood(name: str) -> None:
    assert is_understood(name)
