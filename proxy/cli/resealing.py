"""``dashcam db reseal``: all that may hold texts of calls sealed with the first master key, a few steps at a time."""

from __future__ import annotations

import sys
import time

from proxy.cli.bar import Bar
from proxy.cli.database import print_facts
from proxy.errors import UsageError
from proxy.loader.errands import Errands
from proxy.settings.values import Settings
from proxy.store.care.maintenance import RESEAL, SWEEP


def reseal(settings: Settings, *, as_json: bool) -> None:
    """Seal what is on record, whoever is the writer, to the end; each step stays, whatever comes after it."""
    if not settings.database.seal:
        raise UsageError(
            "database.seal is off: nothing is sealed now; what was sealed before stays sealed",
            hint="set DASHCAM_DATABASE__SEAL=true and DASHCAM_MASTER_KEY (make one: openssl rand -hex 32), start anew",
        )
    begun, looked_at, done, left = time.monotonic(), 0, 0, "all"
    with Bar("sealing") as bar:
        while left:
            step = Errands(settings).do(RESEAL, lambda _who: None)
            looked_at, done, left = looked_at + step.calls, done + step.mended, step.left
            bar.tell(left.partition(" ")[0] or "rows", looked_at, 0)
        Errands(settings).do(SWEEP, bar.look)
    seconds = round(time.monotonic() - begun, 1)
    if as_json:
        print_facts({"rows": looked_at, "sealed_rows": done, "seconds": seconds}, {}, as_json=True)
        return
    print(f"Looked at {looked_at:,} rows and sealed {done:,} of them; {seconds:,.1f} s.")
    if settings.database.is_postgres and done:
        print("What was plain lies in dead rows until they are vacuumed: dashcam db compact", file=sys.stderr)
