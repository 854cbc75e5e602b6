"""How Dashcam talks about itself: ``logs`` for people, ``families`` for Prometheus.

Keep this file free of imports: the gateway uses ``logs`` and must not pay for the Prometheus client.
"""
