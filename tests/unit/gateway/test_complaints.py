"""What a gateway complains of: each trouble once a minute, with what is new of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from proxy.gateway.complaints import AGAIN_SECONDS, Complaints
from proxy.spool.page import Page
from proxy.spool.trouble import Trouble


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page.create(tmp_path / "a.page", "boot", 0)
    yield made
    made.close()


def said(complaints: Complaints, now: float) -> list[tuple[str, object]]:
    with capture_logs() as lines:
        complaints.look(now)
    return [(line["event"], line.get("failures", line.get("in_flight"))) for line in lines]


def test_nothing_is_said_while_all_is_well(page: Page) -> None:
    assert said(Complaints(lambda: page), 100.0) == []


def test_a_failed_sync_is_told_though_it_did_no_harm(page: Page) -> None:
    complaints = Complaints(lambda: page)
    page.add(Page.FSYNC_FAILURES, 1)
    assert said(complaints, 100.0) == [("sync_failed", 1)]
    assert said(complaints, 200.0) == []


def test_syncs_that_go_on_failing_are_told_once_a_minute_and_none_is_forgotten(page: Page) -> None:
    complaints = Complaints(lambda: page)
    page.add(Page.FSYNC_FAILURES, 1)
    assert said(complaints, 100.0) == [("sync_failed", 1)]
    page.add(Page.FSYNC_FAILURES, 2)
    assert said(complaints, 100.0 + AGAIN_SECONDS / 2) == []
    assert said(complaints, 100.0 + AGAIN_SECONDS) == [("sync_failed", 2)]


def test_a_page_that_begins_anew_is_told_of_from_its_first_failure_on(page: Page, tmp_path: Path) -> None:
    pages = [page]
    complaints = Complaints(lambda: pages[-1])
    page.add(Page.FSYNC_FAILURES, 5)
    assert said(complaints, 100.0) == [("sync_failed", 5)]
    pages.append(Page.create(tmp_path / "b.page", "boot", 0))
    assert said(complaints, 200.0) == []
    pages[-1].add(Page.FSYNC_FAILURES, 1)
    assert said(complaints, 300.0) == [("sync_failed", 1)]
    pages[-1].close()


def test_a_ceiling_is_told_with_how_often_it_struck_since(page: Page) -> None:
    complaints = Complaints(lambda: page)
    page.add(Page.LIMIT_IN_FLIGHT, 3)
    assert said(complaints, 100.0) == [("limits_reached", 3)]
    page.add(Page.LIMIT_IN_FLIGHT, 4)
    assert said(complaints, 110.0) == []
    assert said(complaints, 100.0 + AGAIN_SECONDS) == [("limits_reached", 4)]


def test_what_a_degraded_recorder_suffers_from_is_told_in_words_and_its_end_too(page: Page) -> None:
    complaints = Complaints(lambda: page)
    page.set(Page.DEGRADED, 1)
    page.set(Page.TROUBLE, Trouble.CANNOT_WRITE)
    with capture_logs() as lines:
        complaints.look(100.0)
    assert (lines[0]["event"], lines[0]["why"]) == ("recorder_degraded", ["the disk refuses what is appended"])
    page.set(Page.DEGRADED, 0)
    assert said(complaints, 101.0) == [("recorder_recovered", None)]
    assert said(complaints, 102.0) == []
