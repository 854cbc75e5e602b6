"""Lists of models of our own making."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from proxy.protocol.listing import bare_entry, list_of


@given(st.lists(st.text(max_size=20)))
def test_a_list_holds_its_names(names: list[str]) -> None:
    listed = json.loads(list_of(bare_entry(name, "me") for name in names))
    assert listed["object"] == "list"
    assert listed["data"] == [{"id": name, "object": "model", "created": 0, "owned_by": "me"} for name in names]
