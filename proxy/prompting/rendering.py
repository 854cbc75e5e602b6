"""From a version and the values of one call to messages and parameters.

A value becomes part of a message's text and never of its structure: the roles are the template's, whatever a value
says. A compiled version is made once and rendered for every call that asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.prompting.plain import plain_of
from proxy.prompting.problems import RenderingError, VariableInvalidError
from proxy.prompting.template import Load, Templates, no_partials
from proxy.prompting.variables import filled, recorded
from proxy.prompting.version import Message, PromptVersion, texts_of


@dataclass(frozen=True, eq=False)
class Extras:
    """What a prompt says beside its messages, which a request gets where it says none itself; only itself equals it."""

    parameters: Mapping[str, Any]
    tools: Sequence[dict[str, Any]] = ()
    response_format: Mapping[str, Any] | None = None


@dataclass
class Rendered:
    """What a request gets of a prompt.

    ``said`` is what stands in the JSON list of the messages, ``variables`` are the given values as they may be
    recorded; ``unused`` were given and are none of the prompt's. ``has_secret``: a value of a secret variable is among
    them.
    """

    said: bytes
    extras: Extras
    variables: Mapping[str, Any]
    unused: Sequence[str] = ()
    has_secret: bool = False

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat messages, read anew each time."""
        found: list[dict[str, Any]] = orjson.loads(b"[%b]" % self.said)
        return found


class CompiledPrompt:
    """A version without problems, ready to be rendered; for one thread.

    ``load`` gives the text of what its templates include; ``title`` is how errors name it, "support-reply@3".
    """

    def __init__(self, version: PromptVersion, title: str, load: Load = no_partials) -> None:
        self.version = version
        self.title = title
        self._templates = Templates(texts_of(version), load)
        self._places = [f"messages[{at}].content" for at in range(len(version.messages))]
        self._known = frozenset(item.name for item in version.variables)
        self._secret = frozenset(item.name for item in version.variables if item.is_secret)
        self._open = self._known - self._secret
        self._extras = Extras(version.parameters, version.tools, version.response_format)
        self._plain = plain_of(version)

    def __repr__(self) -> str:
        return f"<CompiledPrompt {self.title}>"

    def fill(self, given: Mapping[str, Any]) -> Rendered | None:
        """Return what ``render`` does where texts are put into texts and no more; None: ``render`` is to look at it."""
        said = self._plain.fill(given) if self._plain is not None else None
        if said is None:
            return None
        return Rendered(said, self._extras, given)

    def render(self, given: Mapping[str, Any]) -> Rendered:
        """Return the messages with these values; ``RenderingError`` names the prompt, and the variable to blame."""
        version = self.version
        try:
            values = filled(version.variables, given)
            self._templates.begin()
            messages: list[dict[str, Any]] = []
            for place, item in zip(self._places, version.messages, strict=True):
                messages += self._message(place, item, values)
            said = _written(messages)
        except RenderingError as error:
            error.message = f"The prompt {self.title} cannot be rendered: {error.message}."
            error.args = (error.message,)
            raise
        return Rendered(
            said=said,
            extras=self._extras,
            variables=recorded(given, self._open),
            unused=tuple([name for name in given if name not in self._known]),
            has_secret=not self._secret.isdisjoint(given),
        )

    def _message(self, place: str, message: Message, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the message, or those that stand for a placeholder."""
        if message.placeholder is not None:
            return _of_placeholder(message.placeholder, values)
        made: dict[str, Any] = {"role": message.role}
        if message.name is not None:
            made["name"] = message.name
        if isinstance(message.content, str):
            made["content"] = self._templates.render(place, values)
        else:
            made["content"] = [self._part(f"{place}[{n}]", item, values) for n, item in enumerate(message.content)]
        return [made]

    def _part(self, place: str, part: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        if part["type"] == "text":
            return {**part, "text": self._templates.render(f"{place}.text", values)}
        image = {**part["image_url"], "url": self._templates.render(f"{place}.image_url.url", values)}
        return {**part, "image_url": image}


def _written(messages: list[dict[str, Any]]) -> bytes:
    """Return what stands in a JSON list of them."""
    try:
        return orjson.dumps(messages)[1:-1]
    except TypeError as error:
        raise VariableInvalidError(f"a value cannot be written as JSON: {error}") from error


def _of_placeholder(name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a placeholder's messages; none of them may speak for the application."""
    for message in values[name]:
        if message["role"].strip().lower() in ("system", "developer"):
            reason = (
                f"the variable {name!r} holds a message of role {message['role']}, which only the template may have"
            )
            raise VariableInvalidError(reason, variable=name)
    return list(values[name])
