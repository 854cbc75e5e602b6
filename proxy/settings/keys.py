"""The keys of a first start: an admin token, a metrics token and a proxy key, made where there are none.

For places where nobody can be asked to make them first, such as a container, which must listen on a wide address. They
lie in ``<data>/keys`` (or where a ``…_FILE`` variable points), mode 0600, one a file, and are told once, by whoever
made them. From then on every command finds them there, unless a variable says otherwise; they are never changed here.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import string
import sys
from pathlib import Path

from proxy.errors import ConfigurationError
from proxy.settings.credentials import weakness_of

FOLDER = "keys"
KINDS = {
    "DASHCAM_PROXY_KEYS": ("proxy_key", "dashcam_key_", "callers send it as their OPENAI_API_KEY"),
    "DASHCAM_ADMIN_TOKEN": ("admin_token", "dashcam_adm_", "opens /api and /metrics"),
    "DASHCAM_METRICS_TOKEN": ("metrics_token", "dashcam_met_", "opens /metrics only"),
}
"""Variable → (file name, what the key begins with, what it is for)."""
_LETTERS = string.ascii_letters + string.digits
_YES, _NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
_LENGTH = 43  # 62^43 > 2^256


def adopt_keys(data_dir: Path) -> None:
    """Point the variables that are not set at the key files of the data folder that are there."""
    for name, (file, _, _) in KINDS.items():
        path = data_dir / FOLDER / file
        if not _is_set(name) and path.is_file():
            os.environ[f"{name}_FILE"] = str(path)


def make_keys(data_dir: Path) -> None:
    """Make the keys that are neither set nor there, and tell them; ``ConfigurationError`` when that fails."""
    made = []
    for name, (file, beginning, use) in KINDS.items():
        if os.environ.get(name, "").strip():
            continue
        path = Path(os.environ.get(f"{name}_FILE") or data_dir / FOLDER / file)
        key = new_key(beginning)
        if _write_new(path, key):
            made.append((file.replace("_", " "), key, use, path))
        os.environ[f"{name}_FILE"] = str(path)
    if made:
        _tell(made)


def new_key(beginning: str) -> str:
    """Return a random key of 256 bits that passes our own test of keys."""
    while True:
        key = beginning + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        if weakness_of(key) is None:
            return key


def wants_keys(*, is_flag: bool) -> bool:
    """Return True when the flag or DASHCAM_FIRST_START_KEYS asks for keys to be made."""
    said = os.environ.get("DASHCAM_FIRST_START_KEYS", "").strip().lower()
    if said not in _YES | _NO:
        raise ConfigurationError(f"environment: DASHCAM_FIRST_START_KEYS is true or false, not {said[:20]!r}")
    return is_flag or said in _YES


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name, "").strip() or os.environ.get(f"{name}_FILE"))


def _write_new(path: Path, key: str) -> bool:
    """Write a key file whole or not at all; False when there is one already."""
    if path.exists():
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _make_private(path.parent)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, key.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # A link, not a renaming: of two first starts at once one makes the key and the other one takes it.
        os.link(temporary, path)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.is_file():
            return False
        raise ConfigurationError(f"{path}: the key cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True


def _make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, each private (``parents=True`` forgets the mode)."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700)


def _tell(made: list[tuple[str, str, str, Path]]) -> None:
    folders = ", ".join(sorted({str(path.parent) for *_, path in made}))
    lines = [f"dashcam: first start: made keys; they are shown this once and kept in {folders}", ""]
    lines += [f"  {name:<14} {key}   {use}" for name, key, use, _ in made]
    sys.stderr.write("\n".join([*lines, "", ""]))
    sys.stderr.flush()
