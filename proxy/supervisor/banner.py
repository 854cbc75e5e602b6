"""What is said at the start: the address ready to copy, where the data is, who is asked. At most 12 lines."""

from __future__ import annotations

from pathlib import Path

from proxy.domain.provider import Provider
from proxy.settings.values import Settings

_SHOWN = 6
_KEEPS = {
    "full": "requests and answers",
    "meta": "facts only, no requests or answers",
    "none": "nothing: calls are only counted",
}
_LESS = "less: DASHCAM_RECORDING__DEPTH=meta or none, see PRIVACY.md"
_IN_MEMORY = "recording.mode is 'memory': what is not yet in the database goes with the machine or container"


def public_url(host: str, port: int) -> str:
    """Return the address callers use."""
    name = "127.0.0.1" if host in ("0.0.0.0", "::", "[::]") else host.strip("[]")  # noqa: S104 - compared with
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def kept(settings: Settings) -> str:
    """Return what is kept of a call that nothing else is said of, and without what."""
    patterns = settings.redaction.patterns
    more = f" and {len(patterns) - _SHOWN} more" if len(patterns) > _SHOWN else ""
    without = f", without {', '.join(patterns[:_SHOWN])}{more}" if patterns else ""
    return f"{_KEEPS[settings.recording.usual]}{without}"


def _sealed(settings: Settings) -> str:
    if settings.database.seal:
        return ", sealed"
    return ", sealed until they are stored" if settings.recording.seal else ""


def _place(settings: Settings) -> str:
    """Return where the data is: with another database than the folder's file, the folder holds the spool alone."""
    database = settings.database
    is_usual = not database.is_postgres and database.path.parent == Path(settings.data_dir)
    return database.shown if is_usual else f"{database.shown}   (spool: {settings.data_dir})"


def _told(provider: Provider) -> str:
    found = "" if provider.source != "found" else ", away" if provider.is_away else f", {len(provider.models)} models"
    return f"{provider.name} ({provider.base_url}{found})"


def render(settings: Settings, port: int, version: str, *, colours: bool) -> str:
    """Return the banner."""
    url = public_url(settings.server.host, port)
    bold, dim, plain = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if colours else ("", "", "")
    providers = ", ".join(map(_told, settings.providers[:_SHOWN]))
    if len(settings.providers) > _SHOWN:
        providers += f" and {len(settings.providers) - _SHOWN} more"
    lines = [
        "",
        f"  {bold}Dashcam {version}{plain} is recording at {bold}{url}{plain}",
        "",
        f"  {dim}sh{plain}          export OPENAI_BASE_URL={url}/v1",
        f'  {dim}PowerShell{plain}  $env:OPENAI_BASE_URL = "{url}/v1"',
        f"  {dim}.env{plain}        OPENAI_BASE_URL={url}/v1",
        f"  {dim}Data{plain}        {_place(settings)}",
        f"  {dim}Providers{plain}   {providers}",
        f"  {dim}Keeps{plain}       {kept(settings)}{_sealed(settings)}   {dim}{_LESS}{plain}",
        f"  {dim}Try it: dashcam try   Stop: Ctrl+C{plain}",
        *([f"  {bold}Warning{plain}     {_IN_MEMORY}"] if settings.recording.mode == "memory" else []),
        *(
            [f"  {dim}Callers{plain}     show one of DASHCAM_PROXY_KEYS as their OPENAI_API_KEY"]
            if settings.proxy_keys
            else []
        ),
        "",
    ]
    return "\n".join(lines)
