"""Failpoints name places that are there, act at the passing they name, and cost nothing to whoever is told of none."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from proxy import failpoints
from proxy.errors import ConfigurationError
from proxy.failpoints import PLACES, Failpoint, Place, arm, parse, resolve


@pytest.mark.parametrize("name", PLACES)
def test_each_name_is_a_function_or_a_number_of_the_program(name: str) -> None:
    owner, found = resolve(PLACES[name])
    assert isinstance(getattr(owner, found), float) if PLACES[name].is_constant else callable(getattr(owner, found))


def test_what_is_said_is_what_is_meant() -> None:
    assert parse("call.ended=kill@7, spool.sync=sleep:0.5,batch.write=fail:EIO@3+,") == [
        Failpoint("call.ended", "kill", None, 7),
        Failpoint("spool.sync", "sleep", "0.5"),
        Failpoint("batch.write", "fail", "EIO", 3, True),
    ]


@pytest.mark.parametrize(
    "text", ["call.ended", "nowhere=kill", "call.ended=explode", "call.ended=kill:9", "spool.sync=sleep",
             "spool.sync=sleep:soon", "spool.sync=fail:EWHAT", "spool.sync=fail", "spool.sync=set:1",
             "parking.seconds=kill", "call.ended=kill@x"],
)  # fmt: skip
def test_what_is_none_is_told_with_those_that_are(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert text in caught.value.message
    assert "call.ended" in str(caught.value.hint)


@pytest.mark.parametrize(("at", "goes_on", "counted"), [(0, False, [1, 2, 3]), (2, False, [2]), (2, True, [2, 3])])
def test_the_passing_that_counts(at: int, goes_on: bool, counted: list[int]) -> None:
    failpoint = Failpoint("call.ended", "kill", None, at, goes_on)
    assert [number for number in (1, 2, 3) if failpoint.counts(number)] == counted


class Door:
    """Something that is passed."""

    def __init__(self) -> None:
        self.passed: list[object] = []

    def through(self, item: object) -> object:
        self.passed.append(item)
        return item


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> type[Door]:
    class Fresh(Door):
        through = Door.through

    monkeypatch.setattr(sys.modules[__name__], "Door", Fresh)
    return Fresh


@pytest.mark.parametrize(("is_before", "passed"), [(True, [1]), (False, [1, 2])])
def test_it_acts_before_or_after_in_its_own_kind_of_process(
    monkeypatch: pytest.MonkeyPatch, door: type[Door], is_before: bool, passed: list[int]
) -> None:
    monkeypatch.setitem(PLACES, "a.door", Place("gateway", __name__, "Door.through", is_before))
    arm("a.door=fail:EIO@2", "control")
    untouched = door()
    assert [untouched.through(number) for number in (1, 2)] == [1, 2]
    arm("a.door=fail:EIO@2", "gateway")
    found = door()
    assert found.through(1) == 1
    with pytest.raises(OSError, match="Input/output"):
        found.through(2)
    assert found.passed == passed


def test_only_what_is_meant_counts(monkeypatch: pytest.MonkeyPatch, door: type[Door]) -> None:
    monkeypatch.setitem(PLACES, "a.door", Place("gateway", __name__, "Door.through", only="parked"))
    arm("a.door=fail:EIO", "gateway")
    door().through(SimpleNamespace(parked=()))
    with pytest.raises(OSError, match="Input/output"):
        door().through(SimpleNamespace(parked=(1,)))


@pytest.mark.parametrize("module", ["proxy.gateway.process", "proxy.control.process", "proxy.cli.app"])
def test_who_is_told_of_none_never_loads_them(module: str) -> None:
    code = f"import sys, {module}; sys.exit('{failpoints.__name__}' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
