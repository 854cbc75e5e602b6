"""What a recorded call means: bytes and facts in, an ``Entry`` for the store out.

Pure, so that a better assembler or a corrected price can be run again over kept bytes. ``reading`` decodes and
assembles the answer, ``asking`` reads the request, ``ending`` says how it ended and ``timing`` how long it took,
``content`` and ``cutting`` prepare the bodies, ``language`` and ``texts`` the words; ``entry`` brings all together.
"""
