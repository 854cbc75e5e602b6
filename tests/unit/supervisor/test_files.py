"""The limit of open files goes up to what may be had without asking, and what a system refuses breaks nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.checkout import ROOT

RAISE = """
import resource
from proxy.supervisor.files import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(raise_file_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(64, 512), (512, 512)])
def test_the_soft_limit_becomes_the_hard_one(soft: int, hard: int) -> None:
    """In a process of its own: the hard limit, once lowered, stays."""
    code = RAISE.format(soft=soft, hard=hard)
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout.split() == [str(hard)] * 3


def test_a_system_that_refuses_keeps_what_there_was() -> None:
    refuse = """
import resource
from proxy.supervisor import files
def refuse(*_): raise ValueError("not allowed to raise maximum limit")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))
resource.setrlimit = refuse
print(files.raise_file_limit())
"""
    made = subprocess.run([sys.executable, "-c", refuse], cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "64"
