"""Names of prompts and references to them."""

from __future__ import annotations

import pytest

from proxy.catalogue.fields import check_label, check_prompt_name, split_reference


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("tone", ("tone", "")),
        ("tone@7", ("tone", "7")),
        ("a.b-c_d@1.1", ("a.b-c_d", "1.1")),
        ("t@latest", ("t", "latest")),
    ],
)
def test_a_reference_is_a_name_and_what_of_it(text: str, parts: tuple[str, str]) -> None:
    assert split_reference(text) == parts


@pytest.mark.parametrize("text", ["", "@1", "a@", "a@b@c", "a/b", "A", "a@-", "a@ b", "a\n"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        split_reference(text)


def test_names_and_labels_are_given_back() -> None:
    assert (check_prompt_name("tone"), check_label("production")) == ("tone", "production")
