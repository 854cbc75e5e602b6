"""What is to be erased says which calls; what says nothing, or everything and something else, is refused."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.catalogue.erasing import MOST_IDS, Anonymising, Calls, Selection
from proxy.catalogue.parsing import parse
from proxy.errors import InvalidError

ID = "019ac4f2-0000-7000-8000-000000000001"


@pytest.mark.parametrize("said", [{"q": "model:x"}, {"user": "kim"}, {"until": "30d"}, {"everything": True}])
def test_what_says_which_calls_is_only_counted_by_default(said: dict[str, Any]) -> None:
    found = parse(Selection, said)
    found.check()
    assert found.dry_run


@pytest.mark.parametrize("said", [{}, {"q": "  "}, {"everything": True, "q": "x"}, {"everything": True, "until": "1d"}])
def test_what_does_not_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        parse(Selection, said).check()


def test_keys_that_stay_are_named_and_ids_are_whole_and_few() -> None:
    assert parse(Anonymising, {"user": "kim", "keep": ["team"]}).keep == ["team"]
    assert parse(Calls, {"ids": [ID]}).ids == [ID]
    for ids in ([], ["last"], [ID[:8]], [ID] * (MOST_IDS + 1)):
        with pytest.raises(InvalidError):
            parse(Calls, {"ids": ids})
