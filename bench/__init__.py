"""``make bench``: how fast, how light, how steady, on this machine, in one table and one JSON file.

A fast upstream and a load generator of our own, both plain asyncio protocols on uvloop; nginx beside us as the
yardstick where it is installed. The gateway is pinned to one core, everything else to the others. Absolute figures
belong to the machine; the ratios can be compared. Nothing here is a test: no figure fails anything.

``upstream`` answers, ``generator`` asks, ``processes`` pins and weighs, ``targets`` starts what is measured,
``relaying``, ``shapes``, ``prompted``, ``recording``, ``outages`` and ``footprint`` measure, ``report`` prints.
"""
