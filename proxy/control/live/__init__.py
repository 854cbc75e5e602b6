"""Calls told as they begin and end, to whoever listens: what is told, to whom, and where it comes from.

Beginnings come from the loader as it reads the spool, so that no gateway does anything for it; ends come from the
store once they are committed, whoever recorded them. ``events`` says what is told, ``listeners`` holds what one of them
has not taken yet, ``feed`` is the thread between the two, which is there only while somebody listens.
"""
