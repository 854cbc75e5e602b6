"""What can go wrong when a stored prompt is rendered; what is wrong with one that is saved is a list of problems."""

from __future__ import annotations

from proxy.errors import DashcamError


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
