"""What can be wrong with a stored prompt: when it is saved (problems, all of them at once), and when it is rendered."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.errors import DashcamError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: ``field`` is its place in the document ("messages[1].content"), ``reason`` what it is."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class RenderingError(DashcamError):
    """A stored prompt cannot be rendered with these values.

    ``variable`` names the one that is to blame, where one is.
    """

    code = "prompt_not_renderable"

    def __init__(self, message: str, *, variable: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.variable = variable


class VariableMissingError(RenderingError):
    """A variable that is required was not given."""

    code = "variable_missing"


class VariableInvalidError(RenderingError):
    """A variable has a value that it cannot have, or is none of the prompt's."""

    code = "variable_invalid"
