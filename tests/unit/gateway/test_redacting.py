"""What is redacted of one call, and how its answer is put together again."""

from __future__ import annotations

from proxy.domain.access import ProxyKey
from proxy.domain.outcome import Outcome
from proxy.domain.recording import AnswerHead, AttemptFact, CallEnd, CallStart, PromptFact
from proxy.domain.redaction import RedactionRules
from proxy.domain.route import Route, Target
from proxy.domain.snapshot import Snapshot
from proxy.gateway.authentication import Caller
from proxy.gateway.ceilings import Ceilings
from proxy.gateway.redacting import CallRedaction, Redacting
from proxy.redaction.patterns import Pattern
from proxy.redaction.redactor import Redactor
from proxy.settings.addresses import provider_of
from proxy.settings.values import LimitSettings
from proxy.spool.page import Page
from tests.support.redacting import CANARIES, EVERYTHING, events

MAIL = CANARIES["email"]
EVENTS = AnswerHead(status=200, headers=(("content-type", "text/event-stream"),))


def ceilings() -> Ceilings:
    return Ceilings(LimitSettings(), page, rows=1, gateways=1, files=1024)


def page() -> Page:
    raise AssertionError("no limit strikes here")


def an_end(**values: object) -> CallEnd:
    return CallEnd(outcome=Outcome.COMPLETED, ended_ns=9, **values)  # type: ignore[arg-type]


def test_where_nothing_is_named_nothing_is_needed() -> None:
    providers = (provider_of("main", "http://127.0.0.1:1"),)
    plain = Snapshot(revision=1, providers=providers, allowed_hosts=())
    assert not Redacting(plain, ceilings()).is_needed
    route = Route(model="a", targets=(Target(provider="main"),), redaction=("phone",))
    key = ProxyKey(id="k", digest="d", redaction=("iban",))
    for named in ({"routes": (route,)}, {"keys": (key,)}, {"redaction": RedactionRules(patterns=("email",))}):
        snapshot = Snapshot(revision=1, providers=providers, allowed_hosts=(), **named)
        assert Redacting(snapshot, ceilings()).is_needed
    redacting = Redacting(Snapshot(revision=1, providers=providers, allowed_hosts=(), routes=(route,)), ceilings())
    assert redacting.of(None) is None
    assert redacting.of(Caller(None, False), route) is not None
    assert redacting.of(Caller("k", False, redaction=("iban",))) is not None


def test_pieces_keep_their_arrivals_and_join_to_the_redacted_answer() -> None:
    data = events([MAIL[:9], MAIL[9:], "."])
    call = CallRedaction(EVERYTHING, ceilings())
    call.head(EVENTS)
    for at in range(0, len(data), 20):
        call.hold(at, data[at : at + 20])
    end = an_end(received_bytes=len(data))
    pieces = call.finish(end)
    assert b"".join(piece for _, piece in pieces) == events(["[redacted:email]", "", "."])
    assert [at for at, _ in pieces] == list(range(0, len(data), 20))
    assert end.redacted == {"email": 1}
    assert end.recorded_bytes == sum(len(piece) for _, piece in pieces)


def test_words_and_hashes_of_an_end_tell_nothing() -> None:
    call = CallRedaction(EVERYTHING, ceilings())
    call.head(EVENTS)
    call.hold(1, events([MAIL]))
    fact = AttemptFact(number=1, provider="p", upstream="u", started_ns=0, error_message=f"no {MAIL}")
    end = an_end(sha256="of all", error_message=f"for {MAIL}", attempts=(fact,), edits=((0, 1, f'"{MAIL}"'),))
    call.finish(end)
    assert (end.sha256, end.error_message) == (None, "for [redacted:email]")
    assert end.attempts[0].error_message == "no [redacted:email]"
    assert end.edits == ((0, 1, '"[redacted:email]"'),)


def test_edits_within_what_was_taken_out_take_all_of_it() -> None:
    body = b'{"user":"' + MAIL.encode() + b'","model":"m"}'
    start = CallStart(accepted_at_ns=1, method="POST", target="/", operation="chat", edits=((12, 2, "x"), (14, 2, "y")))
    call = CallRedaction(EVERYTHING, ceilings())
    recorded = call.start(start, body)
    assert recorded == b'{"user":"[redacted:email]","model":"m"}'
    (first, second) = start.edits
    assert recorded[first[0] : first[0] + first[1]] == b"[redacted:email]"
    assert second == (first[0] + first[1], 0, "y")


def test_all_that_a_start_says_is_looked_through() -> None:
    start = a_start()
    call = CallRedaction(EVERYTHING, ceilings())
    assert call.start(start, MAIL.encode()) == b"[redacted:email]"
    assert MAIL not in repr(start)
    assert (start.model, start.target, start.request_sha256) == ("[redacted:email]", "/[redacted:email]", None)
    assert start.prompt is not None
    assert start.prompt.variables == {"to": ["[redacted:email]"], "[redacted:email]": 1}
    assert start.redacted == {"email": 7}


def a_start() -> CallStart:
    prompt = PromptFact(name="mail", version=1, variables={"to": [MAIL], MAIL: 1})
    return CallStart(
        accepted_at_ns=1, method="POST", target=f"/{MAIL}", operation="chat", model=MAIL, request_sha256="of all",
        request_headers=(("x", MAIL),), edits=((0, 0, MAIL),), prompt=prompt,
    )  # fmt: skip


def test_what_is_held_is_given_back_and_what_is_too_much_is_left_out() -> None:
    limits = ceilings()
    call = CallRedaction(EVERYTHING, limits)
    call.head(EVENTS)
    call.hold(1, b"x" * 1000)
    assert limits.held_bytes == 1000
    call.hold(2, b"x" * (EVERYTHING.max_bytes))
    assert limits.held_bytes == 0
    call.hold(3, b"more")
    end = an_end(received_bytes=5)
    assert list(call.finish(end)) == []
    assert (end.redacted, end.recorded_bytes, limits.held_bytes) == ({"unreadable": 1}, 0, 0)


def test_a_defect_keeps_nobody_from_calling_and_lets_nothing_through() -> None:
    def fail(text: bytes) -> list[tuple[int, int]]:
        raise RecursionError(text.decode())

    call = CallRedaction(Redactor([Pattern("broken", "always fails", fail)], 1000), ceilings())
    start = a_start()
    start.side_file, start.side_key = "1.body", "00"
    assert call.start(start, MAIL.encode()) == b""
    assert {start.request_sha256, start.side_file, start.side_key} == {None}
    call.head(EVENTS)
    call.hold(1, (MAIL + "\n").encode() * 50)
    end = an_end(error_message=MAIL, edits=((0, 0, MAIL),))
    assert list(call.finish(end)) == []
    assert MAIL not in repr((start, end))
    assert (start.redacted, end.redacted) == ({"unreadable": 1}, {"unreadable": 1})
