"""The command ``llm`` with models of its ``extra-openai-models.yaml``: as typed, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from acting import PROMPT, run

MODELS = ("good-model", "refused-404", "dies", "cut")
DESCRIBED = """
- model_id: {0}
  model_name: {0}
  api_base: {1}
  api_key_name: here
  supports_schema: true
"""


def llm(base: str, key: str, *arguments: str) -> Any:
    """Type ``llm …``; return what it says and how it ends."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "extra-openai-models.yaml").write_text("".join(DESCRIBED.format(name, base) for name in MODELS))
        Path(folder, "keys.json").write_text(json.dumps({"here": key}))
        done = subprocess.run(
            [str(Path(sys.executable).with_name("llm")), *arguments],
            env={**os.environ, "LLM_USER_PATH": folder}, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    return [done.returncode, done.stdout.decode(), done.stderr.decode()]


run(
    {
        "stream": lambda base, key: llm(base, key, "-m", "good-model", "--usage", PROMPT),
        "not streamed": lambda base, key: llm(base, key, "-m", "good-model", "--no-stream", "--usage", PROMPT),
        "schema": lambda base, key: llm(base, key, "-m", "good-model", "--schema", "city, degrees int", PROMPT),
        "not found": lambda base, key: llm(base, key, "-m", "refused-404", PROMPT),
        "error in a stream": lambda base, key: llm(base, key, "-m", "dies", PROMPT),
        "cut stream": lambda base, key: llm(base, key, "-m", "cut", PROMPT),
    }
)
