"""A reader whose questions end in time, the same on both engines."""

from __future__ import annotations

import pytest

from proxy.errors import TooSlowError
from proxy.settings.database import DatabaseSettings
from proxy.store.reading.reader import Reader

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) AS calls FROM n"


def test_what_never_ends_is_cut_off_and_the_next_question_answered(store: DatabaseSettings) -> None:
    reader = Reader(store, seconds=0.05)
    with pytest.raises(TooSlowError, match=r"within 0.05 s") as caught:
        reader._rows(ENDLESS, ())
    assert "since" in str(caught.value.hint)
    assert reader.counts()["interactions"] == 0
    reader.close()
