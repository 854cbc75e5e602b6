"""What changed between two catalogues, as entries that a person and a program can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from proxy.catalogue.catalogue import KINDS, AnyDocument, Catalogue, Key, text_of
from proxy.catalogue.price import PriceDocument

_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field of a document; None is nothing said. Members of objects are told one by one ("labels.production")."""

    field: str
    before: JsonValue
    after: JsonValue

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.before)} → {_shown(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One document that came, went or is another now; ``fields`` are told of one that changed.

    ``title`` is for people where the key says nothing to them, as that of a price.
    """

    noun: str
    key: Key
    kind: Literal["added", "removed", "changed"]
    fields: tuple[FieldChange, ...] = ()
    title: str = ""

    @property
    def name(self) -> str:
        """The key as people write it."""
        return text_of(self.key)

    def __str__(self) -> str:
        said = f"{self.noun.removesuffix('s')} {self.name} {self.kind}"
        return f"{said}: {'; '.join(map(str, self.fields))}" if self.fields else said

    def to_mapping(self) -> dict[str, JsonValue]:
        """Return the JSON form."""
        fields: list[JsonValue] = [
            {"field": item.field, "before": item.before, "after": item.after} for item in self.fields
        ]
        return {
            "noun": self.noun, "name": self.name, "title": self.title or self.name, "kind": self.kind, "fields": fields,
        }  # fmt: skip


def changes(before: Catalogue, after: Catalogue) -> tuple[Change, ...]:
    """Return what makes one catalogue the other, in a fixed order; empty where they say the same."""
    return tuple(change for noun in KINDS for change in _of_noun(noun, before, after))


def _of_noun(noun: str, before: Catalogue, after: Catalogue) -> Iterator[Change]:
    old, new = before.of(noun), after.of(noun)
    for key in sorted({*old, *new}):
        if key not in old:
            yield Change(noun=noun, key=key, kind="added", title=_title(new[key]))
        elif key not in new:
            yield Change(noun=noun, key=key, kind="removed", title=_title(old[key]))
        elif old[key] is not new[key] and (fields := field_changes(old[key], new[key])):
            yield Change(noun=noun, key=key, kind="changed", fields=fields, title=_title(new[key]))


def _title(document: AnyDocument) -> str:
    return document.title if isinstance(document, PriceDocument) else ""


def field_changes(before: AnyDocument, after: AnyDocument) -> tuple[FieldChange, ...]:
    """Return the fields in which two documents of a noun differ."""
    old, new = dict(_flat(before.to_mapping())), dict(_flat(after.to_mapping()))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return tuple(FieldChange(field=name, before=old.get(name), after=new.get(name)) for name in names)


def _flat(values: Mapping[str, JsonValue], place: str = "") -> Iterator[tuple[str, JsonValue]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{place}{name}.")
        elif name == "versions" and isinstance(value, list):
            # A version never changes: that it is there is all there is to tell.
            yield from ((f"versions.{item['number']}", item["sha256"]) for item in value if isinstance(item, dict))
        else:
            yield f"{place}{name}", None if value in ({}, []) else value


def _shown(value: JsonValue) -> str:
    if value is None:
        return "nothing"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
