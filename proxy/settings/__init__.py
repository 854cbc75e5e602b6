"""Settings: what the processes need to start, as frozen values, and where they come from.

``values`` is plain data and may be imported everywhere, also by the gateway; ``loading`` (pydantic) reads
TOML, environment and flags and is for the command line and control only; ``snapshot`` publishes and loads the
configuration the gateway works from. Keep this file free of imports: the gateway must not pay for pydantic.
"""
