"""Erasing: one call, a thousand, or all that have something in common; their texts alone; or whoever it was.

What many calls are meant by is a purge (``store/erasure/purges.py``): the request that asks for it does as much as it
can in a few seconds, says how far it is, and is repeated by its number; where nobody repeats it, the leader goes on.
Calls that are stored later are erased as well. What was asked for is in the audit log, by its number, without
names of users.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from proxy.catalogue.erasing import Anonymising, Calls, Selection
from proxy.catalogue.parsing import parse
from proxy.control.api import erasing_replies as replies
from proxy.control.api.changing import note
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.api.filtering import instants_in, parsed
from proxy.control.api.interactions import record
from proxy.errors import NotFoundError
from proxy.store.catalogue.session import Session
from proxy.store.erasure import erasing, purges
from proxy.store.erasure.anonymising import Manner
from proxy.store.erasure.purges import ANONYMISE, PURGE, Aim, Kind, Purge
from proxy.store.schema.sealing import check_searchable

SECONDS = 5.0
"""So long one request works on it."""
_COUNT_SECONDS = 60.0
_LARGEST_NUMBER = 2**63 - 1
_Work = Callable[[Session, Sequence[str]], object]


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    yield Endpoint(
        method="POST", path="purge", scope="admin", summary="Erase calls", handle=_purge, takes=Selection,
        gives=replies.PurgeState, is_change=False, takes_long=True,
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="anonymise", scope="admin", summary="Make calls anonymous", handle=_anonymise,
        takes=Anonymising, gives=replies.PurgeState, is_change=False, takes_long=True,
    )  # fmt: skip
    yield Endpoint(
        method="GET", path="purges/{number:int}", scope="admin", summary="How far a purge is", handle=_state,
        gives=replies.PurgeState,
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="purges/{number:int}", scope="admin", summary="Go on with a purge", handle=_go_on,
        gives=replies.PurgeState, is_change=False, takes_long=True,
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="interactions/delete", scope="admin", summary="Erase calls by their ids",
        handle=_delete, takes=Calls, gives=replies.Gone, is_change=False,
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="interactions/redact", scope="admin", summary="Take the texts of calls away",
        handle=_redact, takes=Calls, gives=replies.Redacted, is_change=False,
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="interactions/{name}/redact", scope="admin", summary="Take the texts of a call away",
        handle=_redact_one, gives=replies.Redacted, is_change=False,
    )  # fmt: skip
    yield Endpoint(
        method="DELETE", path="interactions/{name}", scope="admin", summary="Erase a call", handle=_delete_one,
        gives=replies.Gone, is_change=False,
    )  # fmt: skip


# -- by what calls have in common ----------------------------------------------------------------------------------


def _purge(ask: Ask) -> Reply:
    return _asked(ask, PURGE, parse(Selection, ask.body), Manner())


def _anonymise(ask: Ask) -> Reply:
    said = parse(Anonymising, ask.body)
    return _asked(ask, ANONYMISE, said, Manner(keep=tuple(said.keep), has_pseudonyms=said.pseudonyms))


def _asked(ask: Ask, kind: Kind, said: Selection, manner: Manner) -> Reply:
    said.check()
    check_searchable(ask.settings.database, parsed(said.q))
    words = {name: text for name, text in (("since", said.since), ("until", said.until)) if text is not None}
    since, until = instants_in(words)
    aim = Aim(query=said.q, user=said.user, session=said.session, since=since, until=until, manner=manner)
    if said.dry_run:
        with record(ask, _COUNT_SECONDS) as reader:
            count = reader.count(aim.filters(_now()), _LARGEST_NUMBER)
            sealed = reader.sealed_among(aim.filters(_now()))
        told = {"dry_run": True, "number": None, "kind": kind, "calls": count, "is_finished": False}
        return Reply(body=told | ({"sealed_until": sealed} if sealed else {}))
    made = ask.desk.write(
        lambda within: purges.begin(within.connection, kind, aim, ask.actor.name, within.backend.now(within.connection))
    )
    note(ask, kind, "interactions", str(made.number), of=_words_of(aim))
    ask.desk.write(lambda within: purges.wait_for_writers(within.connection))
    return _worked(ask, made)


def _words_of(aim: Aim) -> str:
    """Return what an aim consists of, for the audit log: whose calls they were is not repeated there."""
    said = {"query": aim.query, "user": aim.user, "session": aim.session, "since": aim.since, "until": aim.until}
    return ", ".join(name for name, value in said.items() if value not in (None, "")) or "everything"


def _state(ask: Ask) -> Reply:
    return _told(_found(ask, ask.path["number"]))


def _go_on(ask: Ask) -> Reply:
    return _worked(ask, _found(ask, ask.path["number"]))


def _found(ask: Ask, number: int | str) -> Purge:
    if int(number) > _LARGEST_NUMBER:
        raise NotFoundError(f"there is no purge {number}")
    return ask.desk.read(lambda within: purges.get(within.connection, int(number)))


def _worked(ask: Ask, purge: Purge) -> Reply:
    """Do as much as there is time for."""
    deadline = time.monotonic() + SECONDS
    while not purge.is_finished and time.monotonic() < deadline:
        purge = _one_more(ask, purge)
    return _told(purge)


def _one_more(ask: Ask, purge: Purge) -> Purge:
    """Do it to some more calls: found without holding anybody up, done in one transaction."""
    found = ask.desk.read(lambda within: purges.find(within.connection, purge))
    if found:
        ask.desk.write(lambda within: purges.carry_out(within.connection, purge, found, _now()))
    else:
        ask.desk.write(lambda within: purges.finish(within.connection, purge, _now()))
        ask.desk.clear_log()
    return _found(ask, purge.number)


def _told(purge: Purge) -> Reply:
    state = {"number": purge.number, "kind": purge.kind, "calls": purge.calls, "is_finished": purge.is_finished}
    return Reply(body={"dry_run": False, **state})


# -- by their ids --------------------------------------------------------------------------------------------------


def _delete(ask: Ask) -> Reply:
    done, missing = _done(ask, parse(Calls, ask.body).ids, _erase, "delete")
    return Reply(body={"deleted": done, "missing": missing})


def _redact(ask: Ask) -> Reply:
    done, missing = _done(ask, parse(Calls, ask.body).ids, _strip, "redact")
    return Reply(body={"redacted": done, "missing": missing})


def _delete_one(ask: Ask) -> Reply:
    done, _ = _done(ask, [_named(ask)], _erase, "delete")
    return Reply(body={"deleted": done, "missing": []})


def _redact_one(ask: Ask) -> Reply:
    done, _ = _done(ask, [_named(ask)], _strip, "redact")
    return Reply(body={"redacted": done, "missing": []})


def _erase(within: Session, ids: Sequence[str]) -> int:
    return erasing.erase(within.connection, ids, _now())


def _strip(within: Session, ids: Sequence[str]) -> int:
    return erasing.strip(within.connection, ids)


def _named(ask: Ask) -> str:
    with record(ask) as reader:
        return str(reader.interaction(ask.path["name"])["id"])


def _done(ask: Ask, said: Sequence[str], work: _Work, action: str) -> tuple[list[str], list[str]]:
    """Do it to those of these calls that are on record; return their ids, and the others'."""
    ids = sorted({identity.lower() for identity in said})
    parts = [ids[start : start + erasing.AT_ONCE] for start in range(0, len(ids), erasing.AT_ONCE)]
    done = [identity for part in parts for identity in _do(ask, part, work)]
    if done:
        # One row, whatever the number: nobody finds it among a thousand.
        note(ask, action, "interactions", done[0] if len(done) == 1 else "", calls=str(len(done)))
        ask.desk.clear_log()
    return done, sorted(set(ids) - set(done))


def _do(ask: Ask, ids: Sequence[str], work: _Work) -> list[str]:
    def do(within: Session) -> list[str]:
        found = erasing.on_record(within.connection, ids)
        work(within, found)
        return found

    return ask.desk.write(do)


def _now() -> int:
    return time.time_ns() // 1_000_000
