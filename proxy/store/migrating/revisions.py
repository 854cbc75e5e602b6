"""The revisions this program brings, and Alembic, which applies them; it is imported only where there is work.

One line of numbered files, the oldest first: file names decide what is known. ``folder`` is where ``env.py`` is.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from proxy.resources import migrations_folder

if TYPE_CHECKING:
    from alembic.config import Config

Fill = Callable[[Connection, "str | None", int], "tuple[int, str | None]"]
_REVISION = re.compile(r"(\d{4})_\w+\.py\Z")


def known_revisions(folder: Path | None = None) -> list[str]:
    """Return the revisions this program knows, oldest first."""
    names = (path.name for path in ((folder or migrations_folder()) / "versions").glob("*.py"))
    return sorted(match[1] for name in names if (match := _REVISION.match(name)))


def head(folder: Path | None = None) -> str:
    """Return the newest revision this program knows."""
    return known_revisions(folder)[-1]


def apply(
    connection: Connection, folder: Path | None = None, until: str = "head", applied: list[str] | None = None
) -> None:
    """Apply all that is missing, within the connection's transaction; each one that is done is added to ``applied``."""
    from alembic import command

    config = _config(folder)
    config.attributes["connection"] = connection
    config.attributes["applied"] = [] if applied is None else applied
    command.upgrade(config, until)


def statements(dialect: str, before: str | None, folder: Path | None = None) -> str:
    """Return the SQL of all that is missing since a revision, for one engine; nothing is done."""
    from alembic import command

    said = io.StringIO()
    config = _config(folder)
    config.output_buffer = said
    config.attributes["dialect"] = dialect
    command.upgrade(config, f"{before or 'base'}:head", sql=True)
    return said.getvalue()


def data_steps(folder: Path | None = None) -> dict[str, Fill]:
    """Return the data steps by revision."""
    from alembic.script import ScriptDirectory

    found: dict[str, Any] = {
        item.revision: getattr(item.module, "fill", None)
        for item in ScriptDirectory.from_config(_config(folder)).walk_revisions()
    }
    return {revision: fill for revision, fill in sorted(found.items()) if fill is not None}


def module_of(revision: str) -> Any:
    """Return the module of a revision that is known."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(_config(None)).get_revision(revision)
    return found.module if found is not None else None


def _config(folder: Path | None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder or migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
