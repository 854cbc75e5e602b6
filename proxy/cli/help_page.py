"""The first page of help: commands under headings of what somebody wants to do, and not as one list of 45."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

SECTIONS = {
    "Record": ("serve", "run", "try", "env"),
    "Read": ("logs", "tail", "search", "show", "diff", "curl", "sessions", "views", "sql", "datasette"),
    "Sum up": ("stats", "costs", "errors", "slow"),
    "Judge": ("feedback", "tag"),
    "Take out and bring in": ("export", "import"),
    "Forget": ("purge", "delete", "redact", "anonymise", "prune", "redaction"),
    "Models, prices, keys, prompts": ("providers", "models", "prices", "routes", "keys", "prompts"),
    "Count again": ("recost", "reinterpret"),
    "Look after it": ("status", "doctor", "metrics", "audit", "db", "config", "completion", "version"),
}


class HelpPage(TyperGroup):
    """The commands of Dashcam."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with its summary; columns go through all headings."""
        width = max(map(len, self.commands))
        for title, names in SECTIONS.items():
            rows = [
                (name.ljust(width), command.get_short_help_str(formatter.width - width))
                for name in names
                if (command := self.get_command(ctx, name)) is not None
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
