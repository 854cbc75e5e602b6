"""``dashcam import --check``: what of a file could be imported, and why the rest could not; nothing is written.

Whether a call is on record already is not looked at: it reads the file alone.
"""

from __future__ import annotations

import sys

from proxy.cli.bar import Bar
from proxy.cli.database import calls
from proxy.cli.import_call import Exported, RefusedError, Telling, call_of
from proxy.cli.import_complaints import NOTHING_OF_OURS, Complaints, tell_left_out
from proxy.cli.import_source import Source


def check(source: Source, made_of: Exported | Telling) -> int:
    """Tell what is wrong with a file; return the exit code: 7 where something is."""
    complaints = Complaints(source)
    good = bad = 0
    with Bar("check") as bar:
        for line in source.records():
            try:
                good += call_of(line, made_of) is not None
            except RefusedError as refusal:
                bad += 1
                complaints.refused(line, str(refusal))
            bar.tell(calls(good), *source.progress)
    complaints.broken()
    print(f"{calls(good)} can be imported, {source.units(bad)} cannot; nothing was written", file=sys.stderr)
    tell_left_out(made_of.left_out)
    if bad > 1 and not good:
        print(NOTHING_OF_OURS, file=sys.stderr)
    return 7 if bad or source.broken else 0
