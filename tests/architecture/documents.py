"""The parts of the documents that are written by the program itself: ``make docs`` puts them in, a test compares.

Settings come from ``config/dashcam.toml`` (README and .env.template), metric families from what ``/metrics`` renders
(METRICS). Everything else in the documents is written by people.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from proxy.control import metrics
from proxy.control.sharing import Sharing
from proxy.settings.values import Settings
from proxy.telemetry.families import Totals
from tests.support.checkout import ROOT

_SECRETS = """\
# Variables that Dashcam reads; copy to .env and take away the hash of what you want to change.
# Every setting of config/dashcam.toml is here with its default; the environment wins over files, flags over both.

# Keys of providers; one that is set makes its provider be there, unless others are named. Each also as …_FILE.
# OPENAI_API_KEY=
# ANTHROPIC_API_KEY=
# GEMINI_API_KEY=
# OPENROUTER_API_KEY=
# AZURE_OPENAI_API_KEY=
# AZURE_OPENAI_ENDPOINT=
# GROQ_API_KEY=
# MISTRAL_API_KEY=
# DEEPSEEK_API_KEY=
# XAI_API_KEY=

# Keys that callers must show, separated by commas; needed when listening anywhere but on loopback.
# DASHCAM_PROXY_KEYS=
# The token for /metrics and /api; needed when listening anywhere but on loopback. Make one: openssl rand -hex 32
# DASHCAM_ADMIN_TOKEN=
# A token that opens /metrics and nothing else.
# DASHCAM_METRICS_TOKEN=
# Secrets that seal and open the spool (recording.seal) and copies of the database (maintenance.seal_backups),
# separated by commas: the first seals, all open.
# DASHCAM_MASTER_KEY=
# Make the keys that are missing at the first start, keep them in the data folder and show them once.
# DASHCAM_FIRST_START_KEYS=false

# A settings file, and upstreams as [NAME=]URL, separated by commas.
# DASHCAM_CONFIG=
# DASHCAM_UPSTREAM=
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the shipped configuration: its dotted name, its default as TOML, what is said about it."""

    name: str
    default: str
    text: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "DASHCAM_" + self.name.upper().replace(".", "__")


def shipped_settings() -> list[Setting]:
    """Return the settings of the shipped configuration in their order."""
    return list(_parse((ROOT / "config" / "dashcam.toml").read_text()))


def _parse(text: str) -> Iterator[Setting]:
    section, said, was_key = "", "", False
    for line in text.split("\n"):
        if not line:
            said = ""
        elif line.startswith("#"):
            said = line.lstrip("# ") if was_key else f"{said} {line.lstrip('# ')}".strip()
        elif line.startswith("["):
            section, said = line.strip("[]") + ".", ""
        else:
            name, _, value = line.partition(" = ")
            yield Setting(section + name, value, said)
        was_key = " = " in line and not line.startswith("#")


def settings_table() -> str:
    """Return the settings as a Markdown table."""
    rows, last = [], ""
    for setting in shipped_settings():
        rows.append(
            f"| `{setting.name}` | `{setting.default}` | {'″' if setting.text == last and last else setting.text} |"
        )
        last = setting.text
    return "\n".join(["| setting | default | |", "|---|---|---|", *rows])


def environment_template() -> str:
    """Return the contents of ``.env.template``."""
    lines, last = [_SECRETS.rstrip()], ""
    for setting in shipped_settings():
        if setting.text != last or not last:
            lines.append("\n# " + setting.text if setting.text else "")
        last = setting.text
        value = setting.default.strip('"[]').replace('", "', ",")
        lines.append(f"# {setting.variable}={value}")
    return "\n".join(lines) + "\n"


class _Idle:
    """Stands where control's services stand: a store that is open and empty, and no gateway."""

    loader = True
    mode = "process"
    sharing = Sharing(Settings(data_dir="", run_dir=""), dict, lambda: None)

    def __init__(self) -> None:
        self.settings = Settings(data_dir="/nowhere", run_dir="/nowhere")
        self.totals = Totals()
        self.totals.seed({})

    def ledger(self) -> dict[str, object]:
        """Nothing was accepted."""
        return defaultdict(int, dropped={})

    def pages(self) -> list[dict[str, int]]:
        """No gateway runs."""
        return []

    def store_bytes(self) -> int:
        """There is no file."""
        return 0


def metrics_table() -> str:
    """Return the metric families as a Markdown table, from what ``/metrics`` answers."""
    scrape = metrics.endpoint(_Idle())  # type: ignore[arg-type]

    async def ask() -> Response:
        return await scrape(Request({"type": "http", "headers": []}))

    text = bytes(asyncio.run(ask()).body).decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    rows = [
        f"| `{name}` | {kinds[name]} | {said} |"
        for name, said in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE)
    ]
    return "\n".join(["| family | type | |", "|---|---|---|", *sorted(rows)])


def replaced(path: Path, part: str, content: str) -> str:
    """Return a document with the marked part replaced."""
    pattern = re.compile(rf"(<!-- {part}: begin -->\n).*?(<!-- {part}: end -->)", re.DOTALL)
    text, found = pattern.subn(lambda match: f"{match[1]}{content}\n{match[2]}", path.read_text())
    assert found == 1, f"{path.name} has no place for {part}"
    return text


def written() -> dict[Path, str]:
    """Return every document that is written in part by the program, as it should be."""
    readme, metrics_file = ROOT / "README.md", ROOT / "METRICS.md"
    return {
        readme: replaced(readme, "settings", settings_table()),
        metrics_file: replaced(metrics_file, "metrics", metrics_table()),
        ROOT / ".env.template": environment_template(),
    }


def main() -> None:
    """Write them."""
    for path, text in written().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
