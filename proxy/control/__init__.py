"""The control plane: loads the spool into the store and shows what is in it.

One process, one writer of the store. ``app`` puts it together, ``api`` answers below ``/api/v1``, ``metrics`` renders
/metrics, ``discovery`` asks providers for their models and publishes the snapshot. It may die or hang for a day: the
gateway serves on, the spool keeps everything.
"""
