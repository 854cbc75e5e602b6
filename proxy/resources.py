"""Where the folders that travel with the package are: ``migrations`` and ``config``.

In a wheel they lie inside the package (``_migrations``, ``_config``), in a checkout at the top of the repository.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name


def migrations_folder() -> Path:
    """Return the folder Alembic reads."""
    return _folder("migrations")


def config_folder() -> Path:
    """Return the folder of the shipped default configuration."""
    return _folder("config")
