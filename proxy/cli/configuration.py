"""``dashcam config``: what is in force and who said so, whether it is valid, which files are read, a first file.

Secrets and headers are told as set or not, never with their values.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from proxy.cli.serve import check_archive, check_own_prices
from proxy.cli.terminal import harmless, json_text, on_one_line, paint
from proxy.domain.provider import Provider
from proxy.errors import NotAllowedError, StoreError
from proxy.settings.credentials import MASTER_KEY, read_secret, split_keys
from proxy.settings.database import masked
from proxy.settings.layers import ALIASES, PREFIX, SECRETS, Layers, read_layers
from proxy.settings.loading import settings_of
from proxy.settings.values import Settings

_FLAGS = {"server.host": "--host", "server.port": "--port", "server.workers": "--workers", "data_dir": "--data-dir",
          "database.url": "--database-url"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One setting as it is in force; ``origin`` is default, a file, a variable or a flag."""

    setting: str
    value: Any
    origin: str


def show(said: Mapping[str, Any], *, as_json: bool) -> None:
    """Print every setting with its origin; ``ConfigurationError`` when there are mistakes."""
    layers = read_layers(**said)
    lines = list(lines_of(settings_of(layers), layers))
    if as_json:
        shown = [{"setting": item.setting, "value": item.value, "origin": item.origin} for item in lines]
        print(json_text(shown, orjson.OPT_INDENT_2))
    elif sys.stdout.isatty():
        _print_table(lines)
    else:
        for item in lines:
            print(f"{item.setting}\t{_plain(item.value)}\t{on_one_line(item.origin)}")


def check(said: Mapping[str, Any]) -> None:
    """Say that the configuration is valid, or raise ``ConfigurationError`` with every mistake."""
    layers = read_layers(**said)
    settings = settings_of(layers)
    check_own_prices(settings)
    check_archive(settings)
    files = [str(path) for path in (layers.config, layers.env_file, settings.own_prices_path) if path]
    print(f"The configuration is valid ({', '.join(['defaults', *files, 'environment'])}).")


def paths(said: Mapping[str, Any]) -> None:
    """Print the files that are read, in their order: a later one wins."""
    layers = read_layers(**said)
    for path in filter(None, (said["defaults"], layers.config, layers.env_file)):
        print(Path(path).absolute())


def init(defaults: Path, target: Path, *, is_sure: bool) -> None:
    """Write a settings file in which every setting stands as a comment; never over another one without ``is_sure``."""
    if target.exists() and not is_sure:
        raise NotAllowedError(f"{target} is there already and was left as it is", hint="overwrite it with --yes")
    try:
        target.write_text(commented(defaults.read_text(encoding="utf-8")), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error
    print(target)
    print(f"dashcam: take the hash away from what you change, then: dashcam serve --config {target}", file=sys.stderr)


def commented(text: str) -> str:
    """Return the shipped settings with each value as a comment; sections stay, so that a value needs one hash less."""
    head, _, rest = text.partition("\n\n")
    assert head.startswith("#")
    body = re.sub(r"^(?=[a-z_]+ = )", "# ", rest, flags=re.MULTILINE)
    return (
        f"# Settings of Dashcam; what stays a comment has the value shown. Check with: dashcam config check\n\n{body}"
    )


def lines_of(settings: Settings, layers: Layers) -> Iterator[Line]:
    """Yield every setting: the values, the providers, the secrets by their names."""
    for name, shipped in layers.defaults.items():
        if not isinstance(shipped, dict):
            yield Line(name, getattr(settings, name), _origin((name,), layers))
            continue
        for key in shipped:
            value = getattr(getattr(settings, name), key)
            shown = list(value) if isinstance(value, tuple) else "" if value is None else value
            shown = masked(shown) if name == "database" and isinstance(shown, str) else shown
            shown = _SAID.get(f"{name}.{key}", _same)(shown)
            yield Line(f"{name}.{key}", shown, _origin((name, key), layers))
    for own in settings.redaction.own:
        yield Line(f"redaction.own.{own.name}", own.pattern, _origin(("redaction", "own", own.name), layers))
    for provider in settings.providers:
        yield Line(f"providers.{provider.name}", _provider(provider), _provider_origin(provider.name, layers))
    for name in (*SECRETS, MASTER_KEY):
        yield _secret(name, layers)


def _same(value: Any) -> Any:
    return value


def _span(seconds: int) -> str:
    """Return a span as it is written in a file; "" is for ever."""
    for sign, factor in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % factor == 0:
            return f"{seconds // factor}{sign}"
    return f"{seconds}s" if seconds else ""


def _size(count: int) -> str:
    for sign, factor in (("GB", 10**9), ("MB", 10**6)):
        if count >= factor and count * 1000 % factor == 0:
            return f"{count / factor:g}{sign}"
    return str(count) if count else ""


_SAID: Mapping[str, Callable[[Any], Any]] = {
    **{f"retention.{name}": _span for name in ("text", "metadata", "errors")}, "retention.max_size": _size,
}  # fmt: skip
"""Settings that are written in other words than they are worked with."""


def _origin(keys: tuple[str, ...], layers: Layers) -> str:
    for origin, layer in reversed(layers.said.items()):
        value: Any = layer
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return _named(origin, keys, layers)
    return "default"


def _named(origin: str, keys: tuple[str, ...], layers: Layers) -> str:
    """Return the flag's, the variable's or the file's name."""
    if origin == "flag":
        return f"flag {_FLAGS['.'.join(keys)]}"
    if origin != "environment":
        return f"file {origin}"
    short = [PREFIX + name for name, place in ALIASES.items() if place == keys]
    variable = next((name for name in short if os.getenv(name)), PREFIX + "__".join(keys).upper())
    return _variable(variable, layers)


def _variable(name: str, layers: Layers) -> str:
    return f"{layers.env_file} {name}" if name in layers.from_env_file else f"environment {name}"


def _provider(provider: Provider) -> str:
    key = "no key of ours"
    if provider.key_env:
        key = f"key {provider.key_env} {'set' if read_secret(provider.key_env) else 'not set'}"
    headers = f", headers {', '.join(name for name, _ in provider.headers)}" if provider.headers else ""
    return f"{provider.base_url} ({provider.kind}, {key}, usage {provider.stream_usage}{headers})"


def _provider_origin(name: str, layers: Layers) -> str:
    if name in layers.merged.get("providers", {}):
        return _origin(("providers", name), layers)
    if not layers.upstreams:
        return "default"
    return _variable("DASHCAM_UPSTREAM", layers) if layers.is_upstream_variable else "flag --upstream"


def _secret(name: str, layers: Layers) -> Line:
    found = read_secret(name)
    if not found:
        return Line(name, "not set", "default")
    count = len(split_keys(found))
    value = f"set ({count} keys)" if name == "DASHCAM_PROXY_KEYS" and count > 1 else "set"
    file = os.getenv(f"{name}_FILE")
    return Line(name, value, f"file {file}" if file else _variable(name, layers))


def _print_table(lines: list[Line]) -> None:
    first = max(len(item.setting) for item in lines)
    room = shutil.get_terminal_size().columns
    for item in lines:
        value, origin = _plain(item.value), on_one_line(item.origin)
        if item.origin == "default":
            print(f"{item.setting:<{first}}  {value}")
            continue
        gap = "  " if first + len(value) + len(origin) + 6 <= room else f"\n{'':<{first}}  "
        print(f"{paint(f'{item.setting:<{first}}', 'bold')}  {value}{gap}{paint(f'({origin})', 'dim')}")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(harmless, value)) or "(none)"
    return "(none)" if value == "" else on_one_line(str(value).lower() if isinstance(value, bool) else value)
