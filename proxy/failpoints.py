"""Failpoints: where a test makes a process die, hang or fail, at a place that no signal from outside could hit.

``DASHCAM_FAILPOINTS=call.ended=kill@7,spool.sync=sleep:5`` names them: NAME=ACTION[:ARGUMENT][@N[+]], where @N means
the Nth passing only and @N+ that one and all later ones. ``kill`` is SIGKILL, ``sleep:SECONDS``, ``hang`` (for ever),
``fail:ERRNO`` (such as ``fail:EIO``); ``set:SECONDS`` is for names that stand for a constant.

A process that is told of none never imports this module, and nothing in the program has a place for faults: whoever is
told gets the named function replaced by one that acts before or after it. It is meant for ``tests/faults``; what acts
is said in the log.
"""

from __future__ import annotations

import errno
import functools
import importlib
import itertools
import os
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from proxy.errors import ConfigurationError

VARIABLE = "DASHCAM_FAILPOINTS"
_FORM = re.compile(r"(?P<name>[a-z.]+)=(?P<action>[a-z]+)(?::(?P<argument>[^@,]+))?(?:@(?P<at>\d+)(?P<on>\+)?)?\Z")
_ACTIONS = ("kill", "sleep", "hang", "fail", "set")

log = structlog.get_logger("failpoints")


@dataclass(frozen=True, slots=True)
class Place:
    """A function of a module, in which kind of process (commands count as control), and whether to act before it.

    ``only`` names an attribute of the first argument behind ``self`` that must be true. A constant can only be set.
    """

    process: str
    module: str
    function: str
    is_before: bool = False
    only: str | None = None
    is_constant: bool = False


PLACES = {
    "call.started": Place("gateway", "proxy.spool.writer", "SpoolWriter.start"),
    "call.piece": Place("gateway", "proxy.spool.writer", "SpoolWriter.piece"),
    "call.ended": Place("gateway", "proxy.spool.writer", "SpoolWriter.end"),
    "spool.append": Place("gateway", "proxy.spool.disk", "RealDisk.append", is_before=True),
    "spool.sync": Place("gateway", "proxy.spool.disk", "RealDisk.sync", is_before=True),
    "spool.rotated": Place("gateway", "proxy.spool.segments", "Segments.rotate"),
    "batch.read": Place("control", "proxy.loader.sources", "FollowedSource.look"),
    "batch.write": Place("control", "proxy.store.writing.writer", "StoreWriter.write", is_before=True),
    "batch.written": Place("control", "proxy.store.writing.batches", "write"),
    "batch.committed": Place("control", "proxy.store.writing.writer", "StoreWriter.write"),
    "pause.longest": Place("control", "proxy.loader.pausing", "LONGEST", is_constant=True),
    "parking.seconds": Place("control", "proxy.loader.loading", "PARK_SECONDS", is_constant=True),
    "parking.written": Place("control", "proxy.store.writing.batches", "write", only="parked"),
    "parking.committed": Place("control", "proxy.store.writing.writer", "StoreWriter.write", only="parked"),
    "segment.freed": Place("control", "proxy.loader.sources", "FollowedSource.free"),
    "purge.looked": Place("control", "proxy.store.erasure.purges", "find", is_before=True),
    "purge.carried": Place("control", "proxy.store.erasure.purges", "carry_out"),
    "purge.finished": Place("control", "proxy.store.erasure.purges", "finish"),
    "log.cleared": Place("control", "proxy.store.writing.writer", "StoreWriter.clear_log", is_before=True),
    "change.written": Place("control", "proxy.store.catalogue.documents", "save"),
    "change.committed": Place("control", "proxy.control.desk", "Desk._publish", is_before=True),
    "migration.step": Place("control", "alembic.runtime.migration", "HeadMaintainer.update_to_step"),
}


@dataclass(frozen=True, slots=True)
class Failpoint:
    """What to do at a place: ``at`` is the passing that counts (0: each), ``goes_on`` from there on."""

    name: str
    action: str
    argument: str | None = None
    at: int = 0
    goes_on: bool = False

    def counts(self, passing: int) -> bool:
        """Tell whether to act at the nth passing, counted from 1."""
        return self.at in (0, passing) or (self.goes_on and passing > self.at)

    def act(self) -> None:
        """Do it."""
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.action == "fail":
            number = getattr(errno, self.argument or "")
            raise OSError(number, os.strerror(number))
        threading.Event().wait(None if self.action == "hang" else float(self.argument or 0))


def parse(text: str) -> list[Failpoint]:
    """Read the variable; ``ConfigurationError`` with everything that is wrong."""
    found, problems = [], []
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = _FORM.match(item)
        if match is None or match["name"] not in PLACES or not _is_action(**match.groupdict()):
            problems.append(f"environment: {VARIABLE}: {item} is no failpoint; they are NAME=ACTION[:ARGUMENT][@N[+]]")
            continue
        at, goes_on = int(match["at"] or 0), match["on"] is not None
        found.append(Failpoint(match["name"], match["action"], match["argument"], at, goes_on))
    if problems:
        raise ConfigurationError(problems, hint=f"names are {', '.join(PLACES)}; actions {', '.join(_ACTIONS)}")
    return found


def _is_action(name: str, action: str, argument: str | None, **_: str | None) -> bool:
    if PLACES[name].is_constant != (action == "set"):
        return False
    if action in ("sleep", "set"):
        return re.fullmatch(r"\d+(\.\d+)?", argument or "") is not None
    if action == "fail":
        return isinstance(getattr(errno, argument or "-", None), int)
    return action in _ACTIONS and argument is None


def arm(text: str, process: str) -> None:
    """Put the failpoints of this kind of process in place."""
    for failpoint in parse(text):
        place = PLACES[failpoint.name]
        if place.process == process:
            owner, name = resolve(place)
            setattr(owner, name, _changed(getattr(owner, name), place, failpoint))
            log.warning("failpoint_armed", name=failpoint.name, action=failpoint.action, at=failpoint.at)


def resolve(place: Place) -> tuple[Any, str]:
    """Return the owner of a place's function and its name there."""
    *path, name = place.function.split(".")
    owner: Any = functools.reduce(getattr, path, importlib.import_module(place.module))
    return owner, name


def _changed(found: Any, place: Place, failpoint: Failpoint) -> Any:
    """Return what to put in place of a constant or a function."""
    if place.is_constant:
        return float(failpoint.argument or 0)
    function: Callable[..., Any] = found
    passings = itertools.count(1)

    def act(arguments: tuple[Any, ...]) -> None:
        if place.only is not None and not getattr(arguments[1], place.only):
            return
        if failpoint.counts(next(passings)):
            failpoint.act()

    @functools.wraps(function)
    def replaced(*arguments: Any, **named: Any) -> Any:
        if place.is_before:
            act(arguments)
        result = function(*arguments, **named)
        if not place.is_before:
            act(arguments)
        return result

    return replaced
