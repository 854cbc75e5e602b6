"""What a recorded call means: bytes and facts in, an ``Entry`` for the store out.

Pure, so that a better assembler or a corrected price can be run again over kept bytes. ``reading`` decodes and
assembles the answer, ``asking`` reads the request, ``cutting`` finds message borders, ``entry`` brings all together
with outcome, timings and texts.
"""
