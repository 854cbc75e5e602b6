"""Where the record is kept: a SQLite file, or a Postgres by its address. What may be shown of that, and what may not.

An address may hold a password. It is handed to the processes in a file that only they can read, and to nobody else:
what a person or a log sees goes through ``shown`` and ``scrubbed``, and nothing here repeats an address in an error.
``PGPASSWORD``, ``PGPASSFILE`` and the like work as with every program that uses libpq, and need no password here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

_SQLITE = "sqlite:///"
_SPEAKS = "use sqlite:///PATH or postgresql://USER@HOST:PORT/DATABASE"
_POSTGRES = re.compile(r"postgres(?:ql)?://(?:(?P<user>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)(?:/(?P<rest>[^#]*))?\Z")
_PLACE = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?\Z")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SECRET_OPTION = re.compile(r"((?:ssl)?password=)[^&]*", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?P<scheme>[a-z+]+://)(?P<user>[^:@/]*)(?P<password>:.*)?@", re.DOTALL)
HIDDEN = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Which database, and how long to wait for it (seconds). ``read_url`` is a replica for whoever only reads.

    ``auto_migrate``: ``auto`` upgrades a SQLite file when it is opened and leaves a Postgres to ``dashcam db migrate``.
    ``seal``: what may hold texts of calls is sealed with the master key before it is written, the spool included.
    ``keep_months``: so many months before the running one are kept on Postgres; 0: all.
    """

    url: str = field(default="", repr=False)
    read_url: str = field(default="", repr=False)
    auto_migrate: str = "auto"
    connect_timeout: float = 5.0
    statement_timeout: float = 30.0
    lock_timeout: float = 5.0
    idle_in_transaction_timeout: float = 60.0
    keepalive: float = 10.0
    tcp_user_timeout: float = 20.0
    keep_months: int = 0
    seal: bool = False

    @property
    def is_postgres(self) -> bool:
        """True where an address of Postgres is given, False for a SQLite file."""
        return self.url.startswith(("postgresql://", "postgres://"))

    @property
    def path(self) -> Path:
        """The SQLite file; not to be asked of a Postgres."""
        assert self.url.startswith(_SQLITE), "only SQLite is a file"
        return Path(self.url.removeprefix(_SQLITE)).expanduser()

    @property
    def shown(self) -> str:
        """What a person may see of it: a path, or an address without its password."""
        return masked(self.url) if self.is_postgres else str(self.path)

    @property
    def is_upgraded_when_opened(self) -> bool:
        """True where the writer brings the schema up to date by itself."""
        return self.auto_migrate == "yes" or (self.auto_migrate == "auto" and not self.is_postgres)

    def for_reading(self) -> DatabaseSettings:
        """Return where to read: the replica when there is one."""
        return replace(self, url=self.read_url, read_url="") if self.read_url else self

    def scrubbed(self, text: str) -> str:
        """Return a text of the driver's without this database's password, should it be quoted there."""
        for secret in sorted(_secrets(self.url), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text


def sqlite_at(path: Path | str) -> DatabaseSettings:
    """Return a SQLite file as a database."""
    return DatabaseSettings(url=f"{_SQLITE}{path}")


def check_url(url: str) -> None:
    """Raise ``ValueError`` when this is no address of a database; repeats nothing of it: a secret may be in it."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        raise ValueError(f"this is no address of a database; {_SPEAKS}")
    if scheme == "sqlite":
        if not url.startswith(_SQLITE) or len(url) == len(_SQLITE):
            raise ValueError("a SQLite file is sqlite:///RELATIVE/PATH or sqlite:////ABSOLUTE/PATH")
        return
    if scheme.partition("+")[0] in ("postgresql", "postgres") and "+" in scheme:
        raise ValueError("the driver is not part of the address; write postgresql:// alone")
    if scheme not in ("postgresql", "postgres"):
        raise ValueError(f"Dashcam keeps its record in SQLite or Postgres; {_SPEAKS}")
    _check_postgres(url, rest)


def _check_postgres(url: str, rest: str) -> None:
    if not url.isprintable() or " " in url:
        raise ValueError("an address has no blanks; write them as %20")
    found = _POSTGRES.match(url)
    if found is None or "@" in (found["rest"] or "").partition("?")[0]:
        raise ValueError("a user or password with one of @ : / ? # % in it must have that written as %XX")
    if _BAD_PERCENT.search(rest):
        raise ValueError("a % must be followed by two hexadecimal digits; the sign itself is %25")
    for host in found["hosts"].split(","):
        place = _PLACE.match(host)
        if place is None or not 0 < int(place["port"] or 1) < 65536:
            raise ValueError("after the user come HOST or HOST:PORT, several separated by commas; IPv6 in brackets")


def typed(shown: str) -> str:
    """Return what ``shown`` says as the address that is typed for it: a path alone is none."""
    return shown if "://" in shown else f"{_SQLITE}{shown}"


def masked(url: str) -> str:
    """Return an address without the secrets in it."""
    shown = _CREDENTIALS.sub(_without_password, url, count=1)
    return _SECRET_OPTION.sub(rf"\1{HIDDEN}", shown)


def _without_password(found: re.Match[str]) -> str:
    password = f":{HIDDEN}" if found["password"] else ""
    return f"{found['scheme']}{found['user']}{password}@"


def _secrets(url: str) -> set[str]:
    """Return what of an address nobody may see, as written and as meant."""
    found = [option.partition("=")[2] for option in re.split("[?&]", url) if _SECRET_OPTION.match(option)]
    credentials = _CREDENTIALS.match(url)
    if credentials is not None and credentials["password"]:
        found.append(credentials["password"][1:])
    return {text for secret in found for text in (secret, unquote(secret)) if text}
