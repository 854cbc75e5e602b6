"""When a provider is avoided, how a candidate is drawn, and how many second tries there may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.domain.provider import Provider
from proxy.gateway.breaking import BUDGET_MIN, FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breakers
from proxy.gateway.routing import Choice
from proxy.spool.page import Page


def provider(name: str) -> Provider:
    return Provider(name=name, kind="custom", base_url=f"http://{name}/v1", root_url=f"http://{name}")


CANDIDATES = tuple((provider(name), None) for name in "abc")
IN_ORDER = Choice(CANDIDATES, "r")


class World:
    """Breakers whose clock and dice are ours."""

    def __init__(self, page: Page) -> None:
        self.now = 0.0
        self.dice = 0.0
        self.page = page
        self.breakers = Breakers(lambda: page, lambda: self.now, lambda: self.dice)

    def order(self, choice: Choice = IN_ORDER) -> str:
        return "".join(item.name for item, _ in self.breakers.order(choice))

    def fail(self, name: str = "a", times: int = FAILURES) -> None:
        for _ in range(times):
            self.breakers.failed(name)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    page = Page.create(tmp_path / "a.page", "boot", 0)
    yield World(page)
    page.close()


def test_candidates_are_tried_in_their_order(world: World) -> None:
    assert world.order() == "abc"


def test_five_failures_in_a_row_and_it_is_avoided_for_a_while(world: World) -> None:
    world.fail(times=FAILURES - 1)
    assert world.order() == "abc"
    world.fail(times=1)
    assert world.order() == "bc"
    assert world.page.get(Page.BREAKERS_OPEN) == world.page.get(Page.BREAKER_OPENINGS) == 1
    world.now = FIRST_PAUSE
    assert world.order() == "abc"


def test_a_success_between_failures_starts_the_count_anew(world: World) -> None:
    world.fail(times=FAILURES - 1)
    world.breakers.succeeded("a")
    world.fail(times=FAILURES - 1)
    assert world.order() == "abc"


def test_one_call_goes_there_to_see_and_its_success_closes(world: World) -> None:
    world.fail()
    world.now = FIRST_PAUSE
    world.breakers.began("a")
    assert world.order() == "bc"
    world.breakers.succeeded("a")
    assert world.order() == "abc"
    assert (world.page.get(Page.BREAKERS_OPEN), world.page.get(Page.BREAKER_OPENINGS)) == (0, 1)


def test_its_failure_opens_for_twice_as_long_up_to_two_minutes(world: World) -> None:
    world.fail()
    pause = FIRST_PAUSE
    for _ in range(6):
        world.now += pause
        assert world.order() == "abc"
        world.breakers.began("a")
        world.breakers.failed("a")
        pause = min(LONGEST_PAUSE, pause * 2)
        world.now += pause - 0.1
        assert world.order() == "bc"
        world.now += 0.1 - pause
    assert world.page.get(Page.BREAKERS_OPEN) == 1


def test_a_look_that_told_nothing_lets_another_call_look(world: World) -> None:
    world.fail()
    world.now = FIRST_PAUSE
    world.breakers.began("a")
    world.breakers.left("a")
    assert world.order() == "abc"


def test_a_failure_of_a_call_that_began_before_does_not_lengthen_the_pause(world: World) -> None:
    world.fail()
    world.now = FIRST_PAUSE - 1
    world.fail(times=3)
    world.now = FIRST_PAUSE
    assert world.order() == "abc"


def test_who_says_when_to_come_back_is_left_alone_until_then(world: World) -> None:
    world.breakers.failed("a", 3.0)
    assert world.order() == "bc"
    world.now = 3.0
    assert world.order() == "abc"
    world.breakers.failed("b", 1e9)
    world.now += LONGEST_PAUSE
    assert world.order() == "abc"


def test_where_all_are_avoided_the_first_is_asked_all_the_same(world: World) -> None:
    for name in "abc":
        world.fail(name)
    assert world.order() == "a"


@pytest.mark.parametrize(("dice", "order"), [(0.0, "abc"), (0.29, "abc"), (0.31, "bac"), (0.99, "bac")])
def test_with_weights_one_is_drawn_and_the_others_keep_their_order(world: World, dice: float, order: str) -> None:
    world.dice = dice
    assert world.order(Choice(CANDIDATES, "r", (3, 7, 0))) == order


def test_who_has_no_weight_is_not_drawn_but_takes_over(world: World) -> None:
    for dice in (0.0, 0.5, 0.999999):
        world.dice = dice
        assert world.order(Choice(CANDIDATES, "r", (0, 1, 0))) == "bac"


def test_second_tries_have_a_budget(world: World) -> None:
    assert [world.breakers.may_try_again(1) for _ in range(BUDGET_MIN + 1)] == [True] * BUDGET_MIN + [False]
    assert world.breakers.may_try_again(100)
    world.breakers.tried_again()
    world.breakers.tried_again()
    assert world.breakers.may_try_again(1)
    assert (world.page.get(Page.TAKEOVERS), world.page.get(Page.TAKEOVERS_REFUSED)) == (BUDGET_MIN + 2, 1)
