"""aider, one message at a time, in an empty folder; it speaks through a LiteLLM of its own (``aider.lock``)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from acting import PROMPT, run

QUIET = (
    *("--no-git", "--yes-always", "--no-show-model-warnings", "--no-check-update", "--no-show-release-notes"),
    *("--analytics-disable", "--no-pretty", "--no-fancy-input", "--map-tokens", "0", "--chat-mode", "ask"),
)


def aider(base: str, key: str, model: str, *arguments: str) -> Any:
    """Say one thing; return what was answered and how aider ended."""
    command = [str(Path(sys.executable).with_name("aider")), "--model", f"openai/{model}", "--message", PROMPT, *QUIET]
    told = {"OPENAI_API_BASE": base, "OPENAI_API_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, *arguments], cwd=folder, env={**os.environ, **told, "HOME": folder},
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    return [done.returncode, [line for line in done.stdout.decode().split("\n") if line and folder not in line]]


run(
    {
        "stream": lambda base, key: aider(base, key, "good-model"),
        "not streamed": lambda base, key: aider(base, key, "good-model", "--no-stream"),
        "not found": lambda base, key: aider(base, key, "refused-404"),
    }
)
