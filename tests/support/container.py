"""The Dockerfile, read: its instructions, its stages, what it sets in the environment."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

from tests.support.checkout import ROOT


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word, and the rest with line continuations joined."""

    word: str
    text: str


def instructions() -> list[Instruction]:
    """Return the Dockerfile's instructions in their order."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().split("\n") if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = [line.partition(" ") for line in joined.split("\n") if line.strip()]
    return [Instruction(word, rest.strip()) for word, _, rest in found]


def last_stage() -> list[Instruction]:
    """Return the instructions of the image that is kept."""
    found = instructions()
    begin = max(index for index, item in enumerate(found) if item.word == "FROM")
    return found[begin:]


def the(word: str) -> str:
    """Return the rest of the one instruction of a kind in the image that is kept."""
    (found,) = [item.text for item in last_stage() if item.word == word]
    return found


def environment() -> dict[str, str]:
    """Return what the image sets."""
    return dict(part.split("=", 1) for item in last_stage() if item.word == "ENV" for part in shlex.split(item.text))


def health_command() -> list[str]:
    """Return the command of the health check."""
    found: list[str] = json.loads(the("HEALTHCHECK").partition("CMD ")[2])
    return found
