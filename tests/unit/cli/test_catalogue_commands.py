"""The catalogue as a whole, as it is taken in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.cli.test_catalogue import fill

pytestmark = pytest.mark.usefixtures("prepared")


def test_a_bundle_s_new_providers_are_named_with_what_switches_them_on(dashcam: Command, tmp_path: Path) -> None:
    fill(dashcam, tmp_path)
    assert dashcam("config", "export", "all.yaml").code == 0
    assert dashcam("routes", "remove", "summarise").code == 0
    assert dashcam("providers", "remove", "acme").code == 0
    said = dashcam("config", "import", "all.yaml", "--yes")
    assert (said.code, "dashcam providers add acme --set active=true" in said.err) == (0, True)
    assert "not active yet" not in dashcam("config", "import", "all.yaml", "--yes").err
