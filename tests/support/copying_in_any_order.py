"""A copy under way, as steps among those of ``any_order``: how it goes on, is killed and begins anew, and its end."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from proxy.settings.database import DatabaseSettings
from proxy.store.moving import carrying, plan
from proxy.store.moving.merging import Renaming
from proxy.store.moving.procedure import Copy, Watch, copy
from proxy.store.writing.writer import StoreWriter
from tests.support.any_order import NUMBERS, STEP, Step, World, assert_right
from tests.support.moving import OURS, refuse_to_wait, rows_in
from tests.support.rollups import ask, assert_rollups_equal_the_rows

IS_OWN = {"metric_total", "spool_position"}
"""Tables whose rows bear another name afterwards."""
_MEANWHILE = st.lists(STEP, max_size=3)
COPY_STEP: st.SearchStrategy[Any] = st.one_of(
    STEP,
    *(st.tuples(st.just("copy"), _MEANWHILE) for _ in range(4)),
    *(st.tuples(st.just("kill"), st.integers(0, 12)) for _ in range(2)),
)
_PHASES = ("fill", "compare", "catch_up")


class _KilledError(BaseException):
    """As a signal would end it, between two batches."""


class Copying:
    """The copy of a world's record: whichever of its steps comes next; something may happen between any two batches."""

    def __init__(self, source: DatabaseSettings, target: DatabaseSettings, world: World) -> None:
        self.source, self.target, self.world = source, target, world
        self._open = contextlib.ExitStack()
        self._copy: Copy | None = None
        self._phase = 0
        self._meanwhile: list[Step] = []
        self._left: int | None = None

    def go_on(self, meanwhile: Sequence[Step] = ()) -> None:
        """Do the next step, and these things while it is under way."""
        if self._copy is None:
            watch = Watch(rows=lambda _table, _count: self._between(), waiting=refuse_to_wait)
            self._copy, self._phase = self._open.enter_context(copy(self.source, self.target, OURS, watch)), 0
        self._meanwhile = list(meanwhile)
        getattr(self._copy, _PHASES[self._phase])()
        self._phase = min(self._phase + 1, len(_PHASES) - 1)

    def kill(self, after: int) -> None:
        """Kill it in its next step, so many batches on, or behind that; the next one begins anew."""
        self._left = after
        with contextlib.suppress(_KilledError):
            self.go_on()
        self.close()

    def end(self, renaming: Renaming, late: Sequence[Step]) -> None:
        """Do what is left of it; ``late`` happens before the last step, for which recording waits."""
        if self._copy is None:
            self.go_on()
        while self._phase < len(_PHASES) - 1:
            self.go_on()
        self.go_on()
        for name, what in late:
            self.world.do(name, what)
        assert self._copy is not None
        self._copy.finish(renaming)
        self.close()

    def close(self) -> None:
        """Let go of both databases."""
        self._open.close()
        self._copy, self._left, self._meanwhile = None, None, []

    def _between(self) -> None:
        if self._meanwhile:
            self.world.do(*self._meanwhile.pop(0))
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise _KilledError


@contextlib.contextmanager
def in_small_pieces() -> Any:
    """Let a few rows be many: pages of two, and ranges that are halved down to three."""
    pages = {kind: kind.page for kind in plan.GROWING}
    listed, carrying.LISTED = carrying.LISTED, 3
    try:
        for kind in pages:
            object.__setattr__(kind, "page", 2)
        yield
    finally:
        carrying.LISTED = listed
        for kind, page in pages.items():
            object.__setattr__(kind, "page", page)


def copy_in_order(
    source: DatabaseSettings, target: DatabaseSettings, renaming: Renaming, steps: Sequence[Step], late: Sequence[Step]
) -> None:
    """Do these steps, bring the copy to its end, and look whether both sides say the same then."""
    with contextlib.closing(StoreWriter(source)) as writer, in_small_pieces():
        world = World(writer, f"source-{next(NUMBERS)}")
        copying = Copying(source, target, world)
        with contextlib.closing(copying):
            for name, what in steps:
                if name == "copy":
                    copying.go_on(what)
                elif name == "kill":
                    copying.kill(what)
                else:
                    world.do(name, what)
            copying.end(renaming, late)
        assert_same(source, target)
        assert not {str(name) for (name,) in ask(target, "SELECT id FROM interaction")} & world.gone
        assert_right(world, source)


def assert_same(source: DatabaseSettings, target: DatabaseSettings) -> None:
    """Both have the same rows, but for whose they are."""
    there, here = rows_in(source), rows_in(target)
    assert {name: rows for name, rows in here.items() if name not in IS_OWN} == {
        name: rows for name, rows in there.items() if name not in IS_OWN
    }
    assert_rollups_equal_the_rows(target)
