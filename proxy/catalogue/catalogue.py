"""The catalogue: all that is edited while Dashcam runs, as one value that never changes.

Documents lie by noun and name: providers, routes and prompts by their names, models by (provider, name), prices by a
digest of what they are for. A change makes a new catalogue, which is then checked as a whole (``checking``). Secrets
and keys are not in it, and of prompts only the heads of versions: their contents lie apart, by SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from proxy.catalogue.model import ModelDocument
from proxy.catalogue.parsing import parse
from proxy.catalogue.plain import below
from proxy.catalogue.price import PriceDocument
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.route import RouteDocument
from proxy.errors import InvalidError, NotFoundError, Problem

FORMAT = 1

AnyDocument = ProviderDocument | ModelDocument | PriceDocument | RouteDocument | PromptDocument
Key = str | tuple[str, str]

KINDS: Mapping[str, type[AnyDocument]] = {
    "providers": ProviderDocument,
    "models": ModelDocument,
    "prices": PriceDocument,
    "routes": RouteDocument,
    "prompts": PromptDocument,
}
"""Noun → its document, in the order in which one refers to another."""

_NOUNS = {kind: noun for noun, kind in KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All documents of all nouns; the mappings are not to be changed."""

    providers: Mapping[str, ProviderDocument] = field(default_factory=dict)
    models: Mapping[tuple[str, str], ModelDocument] = field(default_factory=dict)
    prices: Mapping[str, PriceDocument] = field(default_factory=dict)
    routes: Mapping[str, RouteDocument] = field(default_factory=dict)
    prompts: Mapping[str, PromptDocument] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Catalogue {', '.join(f'{len(self.of(noun))} {noun}' for noun in KINDS)}>"

    def of(self, noun: str) -> Mapping[Any, Any]:
        """Return the documents of a noun (``providers`` …) by their keys."""
        found: Mapping[Any, Any] = getattr(self, noun)
        return found

    def find(self, noun: str, key: Key) -> Any:
        """Return a document; ``NotFoundError`` where there is none."""
        found = self.of(noun).get(key)
        if found is None:
            raise NotFoundError(f"there is no {noun.removesuffix('s')} {text_of(key)!r} in the catalogue")
        return found

    def put(self, *documents: AnyDocument) -> Catalogue:
        """Return the catalogue with these documents, in place of those that have the same key."""
        changed: dict[str, dict[Any, Any]] = {}
        for document in documents:
            noun = _NOUNS[type(document)]
            changed.setdefault(noun, dict(self.of(noun)))[document.key] = document
        return replace(self, **changed)

    def without(self, noun: str, key: Key) -> Catalogue:
        """Return the catalogue without a document; ``NotFoundError`` where there is none."""
        self.find(noun, key)
        return replace(self, **{noun: {name: item for name, item in self.of(noun).items() if name != key}})

    def hashes(self) -> set[str]:
        """Return the SHA-256 of every content that a version or a draft has."""
        heads = (head for prompt in self.prompts.values() for head in (*prompt.versions, prompt.draft) if head)
        return {head.sha256 for head in heads}

    def __iter__(self) -> Iterator[tuple[str, Key, AnyDocument]]:
        """Yield (noun, key, document) of everything, in a fixed order."""
        for noun in KINDS:
            for key, document in sorted(self.of(noun).items()):
                yield noun, key, document

    def to_mapping(self) -> dict[str, JsonValue]:
        """Return the JSON form: a list for each noun, ordered by key."""
        lists: dict[str, JsonValue] = {
            noun: [document.to_mapping() for _, document in sorted(self.of(noun).items())] for noun in KINDS
        }
        return {"format": FORMAT, **lists}


def text_of(key: Key) -> str:
    """Return a key as people write it: a model's is PROVIDER/NAME."""
    return key if isinstance(key, str) else "/".join(key)


def place_of(noun: str, key: Key) -> str:
    """Return where a document stands, as problems say it."""
    return f"{noun}.{text_of(key)}"


def catalogue_from_mapping(values: object) -> Catalogue:
    """Return a catalogue from its JSON form; ``InvalidError`` holds all that is wrong with it.

    What holds between documents is not looked at here (``checking``).
    """
    if not isinstance(values, Mapping):
        raise InvalidError([Problem("", "a catalogue is an object with a list for each noun")])
    problems = [Problem(str(name), "is no noun of a catalogue") for name in values if name not in {"format", *KINDS}]
    if values.get("format") != FORMAT:
        problems.append(Problem("format", f"is not {FORMAT}: another release of Dashcam wrote this"))
    found = [read_noun(noun, values.get(noun, []), problems) for noun in KINDS]
    if problems:
        raise InvalidError(problems)
    return Catalogue().put(*(document for documents in found for document in documents))


def read_noun(noun: str, items: object, problems: list[Problem]) -> list[AnyDocument]:
    """Return the documents of one noun's list, adding what is wrong to ``problems``."""
    if not isinstance(items, list):
        problems.append(Problem(noun, "must be a list"))
        return []
    found: dict[Key, AnyDocument] = {}
    for position, values in enumerate(items):
        place = _place_of(noun, position, values)
        try:
            document = parse(KINDS[noun], values, place)
        except InvalidError as error:
            problems += error.problems
            continue
        if document.key in found:
            problems.append(Problem(place, _told_twice(noun, document.key)))
        found[document.key] = document
    return list(found.values())


def _told_twice(noun: str, key: Key) -> str:
    if noun == "prices":
        return "is there twice: two prices of the same model, provider, tier and first day"
    return f"{text_of(key)!r} is there twice; each name is for one"


def _place_of(noun: str, position: int, values: object) -> str:
    """Return where a document stands: by its name where it says one, else by its position."""
    said = values if isinstance(values, dict) else {}
    names = [said.get("provider"), said.get("name")] if noun == "models" else [said.get("name")]
    if all(isinstance(name, str) and name.isprintable() for name in names):
        return below(noun, "/".join(map(str, names)))
    return below(noun, position)
