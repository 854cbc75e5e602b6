"""What the spool's tests work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.spool.page import Page
from tests.support.syncing import Spool


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page.create(tmp_path / "b-0.page", "b", 0)
    yield made
    made.close()


@pytest.fixture
def spool(page: Page) -> Spool:
    return Spool(page)
