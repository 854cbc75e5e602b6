"""Prompts as files: what is written is read as the same, the same is the same bytes, and mistakes name their file."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.catalogue.bundle import FORMAT, imported, read_bundle, write_bundle
from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.prompt import DraftHead
from proxy.catalogue.prompt_files import is_of_a_prompt, read_prompts, write_prompts
from proxy.catalogue.yaml_text import read_yaml
from proxy.errors import InvalidError
from tests.support.catalogues import TEXTS, content_of, prompts, sha256_of

NOW = datetime(2026, 11, 27, tzinfo=UTC)
VERSION = b"content:\n  messages:\n  - {role: system, content: Hi}\n"


def exported(catalogue: Catalogue, contents: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_yaml(write_bundle(catalogue, contents.get))["prompts"]
    return found


def taken_in(found: list[dict[str, Any]]) -> Catalogue:
    return imported(Catalogue(), read_bundle(json.dumps({"format": FORMAT, "prompts": found}), NOW))


def mistakes(**files: bytes) -> list[str]:
    with pytest.raises(InvalidError) as caught:
        read_prompts({name.replace("__", "/").replace("_", "."): data for name, data in files.items()})
    return [str(problem) for problem in caught.value.problems]


@settings(max_examples=40)
@given(TEXTS.filter(lambda text: "{" not in text), TEXTS.filter(lambda text: "{" not in text))
def test_an_empty_instance_gets_the_same_versions_numbers_hashes_labels_and_draft(one: str, other: str) -> None:
    contents = {sha256_of(content_of(text)): content_of(text) for text in (one, other, "draft")}
    draft = DraftHead(sha256=sha256_of(content_of("draft")), author="ana", saved_at=NOW, based_on=1)
    prompt = prompts("short", [one, other]).model_copy(update={"draft": draft, "labels": {"z": 1, "a": 2}})
    catalogue = Catalogue().put(prompt, prompts("long", [other]))
    files = write_prompts(exported(catalogue, contents))
    assert sorted(files) == ["long/0001.yaml", "long/prompt.yaml", "short/0001.yaml", "short/0002.yaml",
                             "short/prompt.yaml"]  # fmt: skip
    found = read_prompts({path: text.encode() for path, text in files.items()})
    assert taken_in(found) == catalogue
    assert write_prompts(found) == files


def test_the_order_in_which_labels_were_moved_is_not_written() -> None:
    first, second = ({"name": "a", "labels": labels} for labels in ({"x": 1, "y": 2}, {"y": 2, "x": 1}))
    assert write_prompts([first]) == write_prompts([second])


def test_a_version_written_by_hand_needs_its_messages_only() -> None:
    (found,) = read_prompts({"short/0003.yaml": b"messages:\n- {role: system, content: Hi}\n"})
    assert [(found["name"], item["number"]) for item in found["versions"]] == [("short", 3)]
    assert taken_in([found]).prompts["short"].versions[0].made_at == NOW


def test_folders_are_known_by_their_files() -> None:
    names = ("prompt.yaml", "12.yml", "0001.yaml", "cases.yaml", "v1.yaml")
    assert [is_of_a_prompt(name) for name in names] == [True, True, True, False, False]


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["a/prompt.yaml", "a/0001.yaml", "a/2.yml", "b/0001.yaml", "b/cases.yaml", "b/x.yaml"]),
        st.binary(max_size=30) | st.sampled_from([VERSION, b"format: dashcam-prompt/1\nname: a", b"messages: 1"]),
    )
)
def test_whatever_files_hold_they_are_read_or_refused(files: dict[str, bytes]) -> None:
    with contextlib.suppress(InvalidError):
        for prompt in read_prompts(files):
            assert isinstance(prompt["name"], str)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a__0001_yaml": b"messages: [\n- x"}, ["a/0001.yaml: is no YAML: "]),
        ({"a__0001_yaml": b"\xff"}, ["a/0001.yaml: is no UTF-8 text"]),
        ({"a__0001_yaml": b"x: &a [1]\ny: *a"}, ["a/0001.yaml: y: refers to something else (*a)"]),
        ({"a__0001_yaml": b"- x"}, ["a/0001.yaml: holds no object"]),
        ({"a__0001_yaml": VERSION.replace(b"system", b"boss")}, ["a/0001.yaml: content.messages[0].role: must be one"]),
        ({"a__0001_yaml": VERSION + b"colour: 1"}, ["a/0001.yaml: colour: is not a field"]),
        ({"a__0001_yaml": VERSION + b"number: 2"}, ["a/0001.yaml: number: is not what the file is called"]),
        ({"a__0001_yaml": VERSION + b"sha256: " + b"0" * 64}, ["a/0001.yaml: sha256: is not that of the content"]),
        ({"a__0001_yaml": VERSION, "a__1_yaml": VERSION}, ["a: has two files for the version 1"]),
        ({"a__0000_yaml": VERSION}, ["a/0000.yaml: number: "]),
        ({"a__v2_yaml": VERSION}, ["a/v2.yaml: is neither prompt.yaml nor cases.yaml nor a version"]),
        ({"a__prompt_yaml": b"name: a"}, ["a/prompt.yaml: format: is not dashcam-prompt/1"]),
        (
            {"a__prompt_yaml": b"format: dashcam-prompt/1\nversions: []"},
            ["a/prompt.yaml: versions: are files beside it"],
        ),
        (
            {"a__prompt_yaml": b"format: dashcam-prompt/1\nlabels: {production: 7}"},
            ["a/prompt.yaml: labels.production: "],
        ),
        (
            {"a__prompt_yaml": b"format: dashcam-prompt/1\ndraft: {content: 1}"},
            ["a/prompt.yaml: draft.content: must be"],
        ),
        (
            {"a__prompt_yaml": b"format: dashcam-prompt/1\nname: b", "b__0001_yaml": VERSION},
            ["b/prompt.yaml: name: 'b' is the name of another folder's prompt"],
        ),
    ],
)
def test_what_is_wrong_names_its_file_and_field(files: dict[str, bytes], told: list[str]) -> None:
    assert [line[: len(start)] for line, start in zip(mistakes(**files), told, strict=True)] == told
