"""The settings as resolved: frozen values, plain data, one section per component.

``loading`` fills them from the shipped defaults (``config/dashcam.toml``), a file, the environment and flags;
the supervisor hands them on as JSON in the run folder. Secrets never stand here: only the names of the
variables or files that hold them. Sizes are bytes, durations seconds.
"""

from __future__ import annotations

import hashlib
import os
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path

from proxy.domain.provider import Provider, provider_from_mapping
from proxy.domain.redaction import NO_RULES, RedactionRules, rules_from_mapping
from proxy.domain.retention import Spans, spans_from_mapping
from proxy.domain.route import Route, route_from_mapping
from proxy.settings.database import DatabaseSettings, sqlite_at

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own in it, whose owner is checked


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where we listen and whom we answer; ``require_key`` is auto or always."""

    host: str = "127.0.0.1"
    port: int = 8484
    workers: int = 1
    allowed_hosts: tuple[str, ...] = ()
    require_key: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSettings:
    """What is kept, and what happens when it cannot be kept."""

    bodies: bool = True
    depth: str = "full"
    mode: str = "process"
    on_full: str = "metadata_only"
    max_body_bytes: int = 10 * 1024 * 1024
    segment_bytes: int = 32 * 1024 * 1024
    segment_seconds: float = 10.0
    sync_interval: float = 0.2
    power_wait: float = 1.0
    power_gather: float = 0.002
    spool_max_bytes: int = 8 * 1024 * 1024 * 1024
    spool_max_files: int = 100_000
    min_free_bytes: int = 256 * 1024 * 1024
    refused_per_second: int = 20
    ballast_bytes: int = 16 * 1024 * 1024
    waiting_max_bytes: int = 16 * 1024 * 1024
    memory_max_bytes: int = 256 * 1024 * 1024
    seal: bool = False

    @property
    def usual(self) -> str:
        """How much is kept of a call of which nobody says anything: full, meta or none."""
        return "meta" if self.depth == "full" and not self.bodies else self.depth


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Ceilings and deadlines of the public port.

    ``in_flight``, ``in_flight_per_key``, ``connections``, ``connections_per_address`` and ``memory_bytes`` are of the
    whole instance, and shared evenly by its gateways. 0 means: no ceiling of its own.
    """

    header_bytes: int = 64 * 1024
    header_count: int = 256
    header_timeout: float = 10.0
    body_bytes: int = 100 * 1024 * 1024
    upload_bytes: int = 600 * 1024 * 1024
    body_idle_timeout: float = 30.0
    body_timeout: float = 60.0
    body_rate: int = 1024
    keep_alive: float = 75.0
    write_stall: float = 60.0
    in_flight: int = 10_000
    in_flight_per_key: int = 100
    connections: int = 0
    connections_per_address: int = 0
    memory_bytes: int = 256 * 1024 * 1024
    backlog: int = 4096
    drain: float = 30.0
    linger_seconds: float = 0.5
    linger_bytes: int = 64 * 1024
    spill_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """Who may edit what while Dashcam runs: with ``require_token`` nobody without a token, also on loopback.

    ``allow_private_upstreams`` are hosts and networks (CIDR) inside that a provider of the catalogue may be at;
    ``key_prefixes`` are what the names of variables begin with that it may take its key from. ``audit_days`` is how
    long the audit log is kept, 0 for ever.
    """

    require_token: bool = False
    allow_private_upstreams: tuple[str, ...] = ()
    key_prefixes: tuple[str, ...] = ("PROVIDER_KEY_",)
    audit_days: int = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSettings:
    """``sealed``: keys of providers may lie in the database, sealed; else they are in the environment only."""

    sealed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverySettings:
    """What is found without being named: ``local_servers`` looks for model servers on this machine.

    ``first_look_seconds`` is how long a start waits for them; who needs longer is found by the looks that follow.
    """

    local_servers: bool = True
    first_look_seconds: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceSettings:
    """How the database is looked after: ``backups`` is how many copies from before upgrades are kept.

    ``seal_backups`` seals every copy that is made, unless a command says otherwise. ``every_hours`` is the pause
    between two rounds, 0 for none; ``network_file_system`` allows what is refused.
    """

    backups: int = 3
    seal_backups: bool = False
    every_hours: float = 6.0
    network_file_system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How long what is kept is kept (seconds, 0: for ever), and how large it may become (bytes, 0: as it comes).

    ``routes`` and ``keys`` have spans of their own, by a route's name and a key's id. ``archive`` is the folder that
    gets what goes, as jsonl or parquet (``archive_format``).
    """

    text: int = 0
    metadata: int = 0
    errors: int = 0
    max_size: int = 0
    archive: str | None = None
    archive_format: str = "jsonl"
    routes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    keys: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def spans(self) -> Spans:
        """What counts for every call that nothing else is said of."""
        return Spans(text=self.text, metadata=self.metadata, errors=self.errors)

    def spans_of(self, said: Mapping[str, int]) -> Spans:
        """Return what counts where something is said of a route or key: the rest is as for every call."""
        return spans_from_mapping({**asdict(self.spans), **{name: value for name, value in said.items() if value}})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How we talk: ``format`` is text or json, ``file`` adds a daily rotated file, ``keep_days`` of it."""

    level: str = "info"
    format: str = "text"
    file: str | None = None
    keep_days: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSettings:
    """``file`` holds the user's own prices (None: none), ``url`` is where ``dashcam prices refresh`` gets new ones."""

    file: str | None = None
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it. ``data_dir`` and ``run_dir`` are absolute; a database without an address is a file in ``data_dir``.

    ``proxy_keys`` maps the SHA-256 hex digest of each accepted key to its short public id; ``admin_token_sha256`` and
    ``metrics_token_sha256`` (which opens ``/metrics`` alone) are digests too, so that no secret is written down.
    """

    data_dir: str
    run_dir: str
    server: ServerSettings = field(default_factory=ServerSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    redaction: RedactionRules = NO_RULES
    limits: LimitSettings = field(default_factory=LimitSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    secrets: SecretSettings = field(default_factory=SecretSettings)
    discovery: DiscoverySettings = field(default_factory=DiscoverySettings)
    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    log: LogSettings = field(default_factory=LogSettings)
    prices: PriceSettings = field(default_factory=PriceSettings)
    providers: tuple[Provider, ...] = ()
    routes: tuple[Route, ...] = ()
    proxy_keys: Mapping[str, str] = field(default_factory=dict)
    admin_token_sha256: str | None = None
    metrics_token_sha256: str | None = None

    def __post_init__(self) -> None:
        """Give the database its usual place where no other is said."""
        if not self.database.url:
            usual = sqlite_at(Path(self.data_dir) / "dashcam.db")
            object.__setattr__(self, "database", replace(self.database, url=usual.url))

    @property
    def spool_dir(self) -> Path:
        """The folder that holds one set of segments per gateway process; in mode ``memory`` it lies in RAM."""
        return self._memory_dir if self.recording.mode == "memory" else self._disk_dir

    @property
    def other_spool_dir(self) -> Path:
        """Where the spool of the other modes lies: what an earlier start left there is loaded as well."""
        return self._disk_dir if self.recording.mode == "memory" else self._memory_dir

    @property
    def _disk_dir(self) -> Path:
        return Path(self.data_dir) / "spool"

    @property
    def _memory_dir(self) -> Path:
        if not os.access(_SHARED_MEMORY, os.W_OK | os.X_OK):
            return Path(self.run_dir) / "spool"
        # One folder for each data folder, whatever path leads to it.
        name = hashlib.sha256(os.path.realpath(self.data_dir).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return Path(_SHARED_MEMORY) / f"dashcam-{os.getuid()}-{name}"

    @property
    def prices_dir(self) -> Path:
        """The folder of refreshed price data."""
        return Path(self.data_dir) / "prices"

    @property
    def own_prices_path(self) -> Path | None:
        """The user's own prices, where there are any."""
        return Path(self.prices.file) if self.prices.file else None

    @property
    def amendments_dir(self) -> Path:
        """The folder in which changes to stored rows wait for the writer."""
        return Path(self.data_dir) / "amendments"

    @property
    def imports_dir(self) -> Path:
        """The folder in which imports note how far they are, and put aside what they cannot take."""
        return Path(self.data_dir) / "imports"

    @property
    def errands_dir(self) -> Path:
        """The folder in which maintenance waits for the writer."""
        return Path(self.data_dir) / "errands"

    @property
    def backups_dir(self) -> Path:
        """The folder of copies of the database."""
        return Path(self.data_dir) / "backups"

    @property
    def tallies_dir(self) -> Path:
        """The folder in which every process counts what keys and providers use of their limits."""
        return Path(self.run_dir) / "tallies"

    @property
    def prompts_dir(self) -> Path:
        """Where gateways read what versions of prompts say."""
        return Path(self.data_dir) / "prompts"

    @property
    def snapshot_path(self) -> Path:
        """The file the gateway's configuration is published in."""
        return Path(self.data_dir) / "snapshot.json"

    @property
    def control_socket(self) -> Path:
        """The Unix socket control listens on."""
        return Path(self.run_dir) / "control.sock"

    @property
    def pages_dir(self) -> Path:
        """The folder of the gateways' mmap pages."""
        return Path(self.run_dir) / "pages"

    def to_mapping(self) -> dict[str, object]:
        """Return the JSON form that is handed to the child processes."""
        return asdict(self)


def settings_from_mapping(values: Mapping[str, object]) -> Settings:
    """Rebuild settings from their JSON form; what another release wrote and this one does not know is left out."""
    known = {item.name for item in fields(Settings)}
    merged = {name: value for name, value in values.items() if name in known}
    merged["providers"] = tuple(provider_from_mapping(item) for item in merged.pop("providers", ()))  # type: ignore[attr-defined]
    merged["routes"] = tuple(route_from_mapping(item) for item in merged.pop("routes", ()))  # type: ignore[attr-defined]
    merged["redaction"] = rules_from_mapping(merged.pop("redaction", None))
    hints = typing.get_type_hints(Settings)
    for item in fields(Settings):
        section = hints[item.name]
        if is_dataclass(section) and isinstance(merged.get(item.name), dict):
            merged[item.name] = _section(section, merged[item.name])
    return Settings(**merged)  # type: ignore[arg-type]


def _section(kind: typing.Any, values: object) -> object:
    assert isinstance(values, dict)
    hints = typing.get_type_hints(kind)
    made = {}
    for name, value in values.items():
        wanted = hints.get(name)
        if wanted is None:
            continue
        is_tuple = typing.get_origin(wanted) is tuple and not isinstance(wanted, types.UnionType)
        made[name] = tuple(value) if is_tuple else value
    return kind(**made)
