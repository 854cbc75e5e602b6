"""A stored prompt rendered with values, as a call would get it: its version found, what it includes with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.catalogue.contents import Load
from proxy.catalogue.fields import split_reference
from proxy.catalogue.prompt import PromptDocument, VersionHead
from proxy.errors import NotFoundError
from proxy.prompting.checking import read_version
from proxy.prompting.rendering import CompiledPrompt, Rendered
from proxy.prompting.version import texts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedVersion:
    """``title`` names the version, "short@3"."""

    title: str
    rendered: Rendered


def render_stored(
    prompts: Mapping[str, PromptDocument], load: Load, name: str, wanted: str, variables: Mapping[str, Any]
) -> RenderedVersion:
    """Render a version (a number, name or label; "" is what nothing said means) of a prompt.

    ``NotFoundError`` where there is no such version, ``RenderingError`` where it cannot be rendered with these values.
    """
    if name not in prompts:
        raise NotFoundError(f"there is no prompt {name[:100]!r}")
    head = head_of(prompts[name], wanted)
    content = load(head.sha256)
    if content is None:
        raise NotFoundError(f"the content of {name}@{head.number} is not there")
    title = f"{name}@{head.number}"
    rendered = CompiledPrompt(read_version(content)[0], title, partials_of(prompts, load)).render(variables)
    return RenderedVersion(title=title, rendered=rendered)


def partials_of(prompts: Mapping[str, PromptDocument], load: Load) -> Callable[[str], str | None]:
    """Return what gives the text of another prompt where it is included: that of its first message."""

    def partial(reference: str) -> str | None:
        name, wanted = split_reference(reference)
        head = prompts[name].version(wanted) if name in prompts else None
        content = load(head.sha256) if head else None
        return None if content is None else next(iter(texts_of(read_version(content)[0]).values()), None)

    return partial


def head_of(prompt: PromptDocument, wanted: str) -> VersionHead:
    """Return the head of a version by number, name or label; ``NotFoundError`` says which there are."""
    head = prompt.version(wanted)
    if head is None:
        numbers = ", ".join(str(item.number) for item in prompt.versions[-10:]) or "none yet"
        raise NotFoundError(f"{prompt.name} has no version {wanted[:40]!r}; there are: {numbers}")
    return head
