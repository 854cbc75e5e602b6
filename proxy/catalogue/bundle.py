"""The whole catalogue as one text for people and version control, and back: YAML, without secrets.

A bundle is data and nothing else: what it holds is checked like anything that is edited, it names no variable of a
server's environment, and a provider that comes with it serves nobody before a person has looked at it. What it does not
name stays as it is, unless it is to replace all. A version of a prompt that is there already under its number must say
the same, since a version never changes. A prompt may have a ``content`` in place of versions: that is saved as the next
version, where the latest one says something else, and what else is not said of the prompt stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from proxy.catalogue.catalogue import KINDS, Catalogue, place_of, read_noun
from proxy.catalogue.contents import Content, Load
from proxy.catalogue.fields import Document
from proxy.catalogue.heads import SAVING, NextVersion, read_head, read_next
from proxy.catalogue.parsing import parse
from proxy.catalogue.plain import below
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.versions import moved_label, saved_version
from proxy.catalogue.yaml_text import read_yaml, too_much_of, write_yaml
from proxy.errors import InvalidError, Problem

FORMAT = "dashcam-bundle/1"
_VARIABLES = ("key_env", "proxy_auth_env")
_DECIDES = ("kind", "base_url", "proxy", "headers")
"""What says where calls and keys of a provider go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a text holds: a catalogue as far as it goes, and the contents of its prompts by SHA-256.

    ``next_versions`` are by the names of prompts, whose documents have none of their own.
    """

    catalogue: Catalogue
    contents: Mapping[str, Content]
    next_versions: Mapping[str, NextVersion] = field(default_factory=dict)


# -- out ----------------------------------------------------------------------------------------------------


def write_bundle(
    catalogue: Catalogue, load: Load, nouns: Sequence[str] = tuple(KINDS), *, is_bounded: bool = True
) -> str:
    """Return a catalogue as YAML; ``load`` gives the contents of prompts. The same catalogue is the same text.

    ``InvalidError`` where ``read_bundle`` would refuse it for its size, unless it need not be taken in at once.
    """
    made: dict[str, Any] = {"format": FORMAT}
    for noun in nouns:
        if documents := catalogue.of(noun):
            made[noun] = [_written(document, load) for _, document in sorted(documents.items())]
    text = write_yaml(made)
    if is_bounded and (reason := too_much_of(made, text)):
        hint = "export it in parts: only=providers,models,prices,routes and prompts by dashcam prompts export"
        raise InvalidError([Problem("", f"the bundle {reason}, and could not be taken in again")], hint=hint)
    return text


def _written(document: Document, load: Load) -> dict[str, Any]:
    """Return what a document says beyond what is usual."""
    if isinstance(document, ProviderDocument):
        return document.model_dump(mode="json", exclude_defaults=True, exclude=set(_VARIABLES))
    made = document.model_dump(mode="json", exclude_defaults=True)
    if isinstance(document, PromptDocument):
        for head in (*made.get("versions", ()), *filter(None, [made.get("draft")])):
            content = load(head["sha256"])
            if content is None:
                raise InvalidError([Problem(place_of("prompts", document.name), f"lacks the content {head['sha256']}")])
            head["content"] = dict(content)
    return made


# -- in -----------------------------------------------------------------------------------------------------


def read_bundle(data: bytes | str, now: datetime) -> Bundle:
    """Return what a text holds; ``InvalidError`` says all that is wrong with it.

    A version without a time was made ``now``, one without a number has its place in the list as its number.
    """
    return bundle_from(read_yaml(data), now)


def bundle_from(values: object, now: datetime) -> Bundle:
    """Return what the values of a text hold, as ``read_bundle``; they are such as ``read_yaml`` gives."""
    if not isinstance(values, dict):
        raise InvalidError([Problem("", f"is no bundle: an object with format: {FORMAT} and a list for each noun")])
    problems = [
        Problem(below("", name), f"is not a part of a bundle; there are: format, {', '.join(KINDS)}")
        for name in values
        if name not in {"format", *KINDS}
    ]
    if values.get("format") != FORMAT:
        problems.append(Problem("format", f"is not {FORMAT}"))
    problems += _named_variables(values.get("providers"))
    contents: dict[str, Content] = {}
    next_versions: dict[str, NextVersion] = {}
    prompts = _prompts(values.get("prompts", []), now, contents, next_versions, problems)
    documents = [
        item
        for noun in KINDS
        for item in read_noun(noun, prompts if noun == "prompts" else values.get(noun, []), problems)
    ]
    if problems:
        raise InvalidError(problems)
    return Bundle(catalogue=Catalogue().put(*documents), contents=contents, next_versions=next_versions)


def _named_variables(providers: object) -> list[Problem]:
    return [
        Problem(
            f"providers.{position}.{name}", "names a variable of a server, which a bundle cannot; set it afterwards"
        )
        for position, item in enumerate(providers if isinstance(providers, list) else [])
        for name in _VARIABLES
        if isinstance(item, dict) and item.get(name) is not None
    ]


def _prompts(
    items: object,
    now: datetime,
    contents: dict[str, Content],
    next_versions: dict[str, NextVersion],
    problems: list[Problem],
) -> object:
    """Return prompts with heads in place of versions, whose contents go to ``contents``."""
    if not isinstance(items, list):
        return items
    made = []
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            made.append(item)
            continue
        name = item.get("name")
        place = below("prompts", name if isinstance(name, str) and name.isprintable() else position)
        if "content" in item and (made_of := read_next(item, now, place, contents, problems)) is not None:
            next_versions[str(name)] = made_of
        made.append(_prompt(item, now, place, contents, problems))
    return made


def _prompt(
    item: dict[str, Any], now: datetime, place: str, contents: dict[str, Content], problems: list[Problem]
) -> dict[str, Any]:
    """Return one with heads in place of what its versions and its draft say."""
    prompt = dict(item)
    if "content" in item:
        prompt = {member: value for member, value in item.items() if member not in SAVING}
    elif isinstance(item.get("versions"), list):
        prompt["versions"] = _heads(item["versions"], now, f"{place}.versions", contents, problems)
    if item.get("draft") is not None:
        prompt["draft"] = read_head(item["draft"], {"saved_at": now.isoformat()}, f"{place}.draft", contents, problems)
    return prompt


def _heads(
    versions: list[Any], now: datetime, place: str, contents: dict[str, Content], problems: list[Problem]
) -> list[object]:
    return [
        read_head(head, {"number": at, "made_at": now.isoformat()}, f"{place}.{at}", contents, problems)
        for at, head in enumerate(versions, 1)
    ]


# -- together -----------------------------------------------------------------------------------------------


def imported(
    catalogue: Catalogue,
    bundle: Bundle,
    *,
    replaces: bool = False,
    author: str = "",
    above: Mapping[str, int] | None = None,
) -> Catalogue:
    """Return a catalogue with what a bundle holds; with ``replaces`` without anything that the bundle does not name.

    Versions without a number are saved as ``author``'s, with numbers above those that a prompt of their name ever had
    (``above``). ``InvalidError`` where a version of a prompt would become another one. The result is still to be
    checked.
    """
    problems: list[Problem] = []
    made = Catalogue() if replaces else catalogue
    for noun, key, document in bundle.catalogue:
        former = catalogue.of(noun).get(key)
        if isinstance(document, ProviderDocument):
            made = made.put(_arrived(document, former))
        elif isinstance(document, PromptDocument) and document.name in bundle.next_versions:
            number = (above or {}).get(document.name, 0)
            made = made.put(_gone_on(document, former, bundle.next_versions[document.name], author, number))
        elif isinstance(document, PromptDocument) and former is not None:
            made = made.put(_joined(document, former, problems))
        else:
            made = made.put(document)
    if problems:
        raise InvalidError(problems)
    return made


def _arrived(document: ProviderDocument, former: ProviderDocument | None) -> ProviderDocument:
    """Return a provider as it may come in: what is new, or leads elsewhere than before, serves nobody yet."""
    is_known = former is not None and all(getattr(document, name) == getattr(former, name) for name in _DECIDES)
    if former is None or not is_known:
        return document.model_copy(update={"active": False})
    kept = {name: getattr(former, name) for name in _VARIABLES}
    return document.model_copy(update={**kept, "active": former.active and document.active})


def _gone_on(
    document: PromptDocument, former: PromptDocument | None, version: NextVersion, author: str, above: int
) -> PromptDocument:
    """Return a prompt with its next version; where there is one of its name, what is not said of it stays."""
    if former is not None:
        said = document.model_dump(mode="json", include=document.model_fields_set)
        document = parse(PromptDocument, {**former.to_mapping(), **said}, place_of("prompts", former.name))
    made = saved_version(
        document, version.sha256, author=author, at=version.at, note=version.note, name=version.name, above=above
    )
    assert made.latest is not None
    for label in version.labels:
        made = moved_label(made, label, str(made.latest.number), may_move_protected=True)
    return made


def _joined(document: PromptDocument, former: PromptDocument, problems: list[Problem]) -> PromptDocument:
    """Return a prompt with the versions of both; what is there already keeps its head."""
    versions = {item.number: item for item in document.versions}
    for item in former.versions:
        other = versions.get(item.number)
        if other is not None and other.sha256 != item.sha256:
            place = f"{place_of('prompts', document.name)}.versions.{item.number}"
            problems.append(
                Problem(place, "is another one than the version of this number here, and none ever changes")
            )
        versions[item.number] = item
    values = {
        **document.to_mapping(),
        "versions": [versions[number].to_mapping() for number in sorted(versions)],
        # A label that only one of both has stays; one that both have is where the bundle says.
        "labels": {**former.labels, **document.labels},
        "protected_labels": sorted({*former.protected_labels, *document.protected_labels}),
    }
    if document.draft is None and former.draft is not None:
        values["draft"] = former.draft.to_mapping()
    try:
        return parse(PromptDocument, values, place_of("prompts", document.name))
    except InvalidError as error:
        problems += error.problems
        return document
