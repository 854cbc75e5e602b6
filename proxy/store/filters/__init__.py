"""What is asked for, as SQL of ours: conditions, their order, and words by the full-text index.

Values are always bound. Nothing is run here; that is done by whoever asks (``reading``, ``erasure``).
"""
