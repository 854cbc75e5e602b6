"""The shape of the settings file: every key, its type and its range. Unknown keys are mistakes.

pydantic reads and checks; no value of these classes leaves the floor (``values`` are what the processes get).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from proxy.domain.redaction import OwnPattern, RedactionRules
from proxy.domain.retention import Spans
from proxy.domain.route import WILDCARD
from proxy.redaction.own import check_own, reasons_against
from proxy.settings.fields import (
    DatabaseUrl,
    ExistingFile,
    HeaderName,
    HeaderValue,
    HostName,
    HostOrNetwork,
    Kind,
    ModelName,
    OutgoingProxy,
    ProviderName,
    ReplicaUrl,
    Seconds,
    Size,
    Span,
    Url,
    VariableName,
    VariablePrefix,
    Whole,
)


def _yes_or_no(value: object) -> object:
    return {"true": "yes", "false": "no"}.get(str(value).lower(), value)


def _target(value: object) -> object:
    """Read ``PROVIDER`` and ``PROVIDER/MODEL`` as the tables they stand for."""
    if not isinstance(value, str):
        return value
    provider, slash, model = value.partition("/")
    return {"provider": provider, "model": model} if slash else {"provider": provider}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Server(_Section):
    host: str = Field(min_length=1)
    port: Whole = Field(ge=1, le=65535)
    workers: Whole = Field(ge=1, le=64)
    allowed_hosts: list[HostName]
    require_key: Literal["auto", "always"]

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value


class _Database(_Section):
    url: DatabaseUrl
    read_url: ReplicaUrl
    auto_migrate: Annotated[Literal["auto", "yes", "no"], BeforeValidator(_yes_or_no)]
    connect_timeout: Seconds
    statement_timeout: Seconds
    lock_timeout: Seconds
    idle_in_transaction_timeout: Seconds
    keepalive: Seconds
    tcp_user_timeout: Seconds
    keep_months: Whole = Field(ge=0, le=1200)
    seal: bool

    @model_validator(mode="after")
    def _check_replica(self) -> _Database:
        if self.read_url and not self.url.startswith("postgres"):
            raise ValueError("a read_url needs a url of Postgres beside it")
        if self.keep_months and not self.url.startswith("postgres"):
            raise ValueError("keep_months is for Postgres: in a SQLite file nothing is cut into months")
        return self


class _Recording(_Section):
    bodies: bool
    depth: Literal["full", "meta", "none"]
    mode: Literal["process", "power", "memory"]
    on_full: Literal["metadata_only", "reject", "drop"]
    # Nothing we write as one value may have more than half a gigabyte: Postgres hands bytes out as text, at most 1 GB.
    max_body_bytes: Whole = Field(ge=4096, le=256 * 1024 * 1024)
    segment_bytes: Whole = Field(ge=65536)
    segment_seconds: float = Field(gt=0)
    sync_interval: float = Field(ge=0.01, le=60)
    power_wait: float = Field(gt=0, le=60)
    power_gather: float = Field(ge=0, le=10)
    spool_max_bytes: Whole = Field(ge=1 << 20)
    spool_max_files: Whole = Field(ge=100)
    min_free_bytes: Whole = Field(ge=0)
    refused_per_second: Whole = Field(ge=0)
    ballast_bytes: Whole = Field(ge=0)
    waiting_max_bytes: Whole = Field(ge=65536)
    memory_max_bytes: Whole = Field(ge=1 << 20)
    seal: bool


class _Redaction(_Section):
    patterns: list[str]
    # What is looked through is held in memory, and by the event loop.
    max_bytes: Whole = Field(ge=1024, le=32 * 1024 * 1024)
    own: dict[str, str] = {}

    @field_validator("patterns", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_patterns(self) -> _Redaction:
        check_own([OwnPattern(name=name, pattern=pattern) for name, pattern in self.own.items()])
        for position, reason in reasons_against(self.patterns, self.own):
            raise ValueError(f"patterns.{position}: {reason}")
        return self

    def to_domain(self) -> RedactionRules:
        """Return the value that the gateway works with."""
        own = tuple(OwnPattern(name=name, pattern=pattern) for name, pattern in sorted(self.own.items()))
        return RedactionRules(patterns=tuple(dict.fromkeys(self.patterns)), own=own, max_bytes=self.max_bytes)


class _Limits(_Section):
    header_bytes: Whole = Field(ge=1024)
    header_count: Whole = Field(ge=16, le=65536)
    header_timeout: float = Field(gt=0)
    body_bytes: Whole = Field(ge=1024)
    upload_bytes: Whole = Field(ge=1024)
    body_idle_timeout: float = Field(gt=0)
    body_timeout: float = Field(gt=0)
    body_rate: Whole = Field(ge=1)
    keep_alive: float = Field(gt=0)
    write_stall: float = Field(gt=0)
    in_flight: Whole = Field(ge=1)
    in_flight_per_key: Whole = Field(ge=0)
    connections: Whole = Field(ge=0)
    connections_per_address: Whole = Field(ge=0)
    memory_bytes: Whole = Field(ge=1 << 20)
    # The system call takes no more; the kernel cuts it to net.core.somaxconn.
    backlog: Whole = Field(ge=1, le=65535)
    drain: float = Field(ge=0)
    linger_seconds: float = Field(ge=0)
    linger_bytes: Whole = Field(ge=0)
    # A body below this lies in one record, and no record is larger than 64 MB.
    spill_bytes: Whole = Field(ge=1024, le=32 * 1024 * 1024)

    @field_validator("spill_bytes")
    @classmethod
    def _leaves_room(cls, value: int, info: ValidationInfo) -> int:
        memory = info.data.get("memory_bytes")
        if memory is not None and value > memory // 2:
            raise ValueError(f"at most half of limits.memory_bytes, which is {memory}")
        return value


class _Admin(_Section):
    require_token: bool
    allow_private_upstreams: list[HostOrNetwork]
    key_prefixes: list[VariablePrefix]
    audit_days: Whole = Field(ge=0, le=36_500)

    @field_validator("allow_private_upstreams", "key_prefixes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value


class _Secrets(_Section):
    sealed: bool


class _Discovery(_Section):
    local_servers: bool
    first_look_seconds: float = Field(ge=0, le=60)


class _Maintenance(_Section):
    backups: Whole = Field(ge=1, le=1000)
    seal_backups: bool
    every_hours: float = Field(ge=0, le=8760)
    network_file_system: bool


class _Spans(_Section):
    text: Span = 0
    metadata: Span = 0
    errors: Span = 0

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        problem = Spans(text=self.text, metadata=self.metadata, errors=self.errors).problem()
        if problem is not None:
            raise ValueError(problem)
        return self


class _Retention(_Spans):
    max_size: Size
    archive: str
    archive_format: Literal["jsonl", "parquet"]
    routes: dict[ModelName, _Spans] = {}
    keys: dict[str, _Spans] = {}


class _Log(_Section):
    level: Literal["debug", "info", "warning", "error"]
    format: Literal["text", "json"]
    file: str
    keep_days: Whole = Field(ge=1)


class _Prices(_Section):
    file: str
    url: str

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("an address begins with https:// or http://")
        return value


class _Provider(_Section):
    url: Url | None = None
    kind: Kind | None = None
    key_env: VariableName | None = None
    stream_usage: Literal["inject", "passive"] | None = None
    unstored_metadata: Literal["keep", "send"] | None = None
    gateway_headers: Literal["keep", "send"] | None = None
    headers: dict[HeaderName, HeaderValue] | None = None
    ca_file: ExistingFile | None = None
    client_cert: ExistingFile | None = None
    client_key: ExistingFile | None = None
    connect_timeout: float | None = Field(default=None, gt=0)
    first_byte_timeout: float | None = Field(default=None, gt=0)
    idle_timeout: float | None = Field(default=None, gt=0)
    on_client_gone: Literal["cancel", "drain"] | None = None
    on_broken_stream: Literal["tell", "abort_only"] | None = None
    proxy: OutgoingProxy | None = None
    proxy_auth_env: VariableName | None = None
    http2: bool | None = None


class _Target(_Section):
    provider: str
    model: ModelName | None = None
    weight: Whole | None = Field(default=None, ge=0, le=1_000_000)


class RouteSection(_Section):
    """One ``[[routes]]`` table."""

    model: ModelName
    targets: list[_Target] = Field(min_length=1, max_length=32)
    fallbacks: list[_Target] = Field(default=[], max_length=32)
    recording: Literal["full", "meta", "none"] | None = None
    redaction: list[str] = []

    @field_validator("targets", "fallbacks", mode="before")
    @classmethod
    def _read_short_form(cls, value: object) -> object:
        return [_target(item) for item in value] if isinstance(value, list) else value

    @model_validator(mode="after")
    def _check_wildcards(self) -> RouteSection:
        for item in (*self.targets, *self.fallbacks):
            if WILDCARD in (item.model or "") and WILDCARD not in self.model:
                raise ValueError(f"{item.model!r} has a '*', and the route's own name has none to put there")
        if any(item.weight is not None for item in self.fallbacks):
            raise ValueError("fallbacks are tried in their order; a weight is for targets")
        return self


class SettingsFile(_Section):
    """All of it: what ``config/dashcam.toml`` holds."""

    data_dir: str
    run_dir: str
    server: _Server
    database: _Database
    recording: _Recording
    redaction: _Redaction
    limits: _Limits
    admin: _Admin
    secrets: _Secrets
    discovery: _Discovery
    maintenance: _Maintenance
    retention: _Retention
    log: _Log
    prices: _Prices
    providers: dict[ProviderName, _Provider] = {}
    routes: list[RouteSection] = []

    @model_validator(mode="after")
    def _check_patterns_of_routes(self) -> SettingsFile:
        for number, route in enumerate(self.routes):
            for position, reason in reasons_against(route.redaction, self.redaction.own):
                raise ValueError(f"routes.{number}.redaction.{position}: {reason}")
        return self

    @model_validator(mode="after")
    def _check_size(self) -> SettingsFile:
        if self.retention.archive and self.database.seal:
            raise ValueError("retention.archive writes readable text, and database.seal says that there is none")
        return self
