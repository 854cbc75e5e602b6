"""The spool: append-only files between the request path and the store, one set per gateway process.

``framing`` and ``records`` say what a record is, ``writer`` says what is recorded of a call, ``appending`` writes it
(with ``segments``, ``syncing`` and ``bodies``), ``reader`` finds the sources that ``sources`` read (``segment_reader``)
and free, ``page`` holds the counters that must not depend on the spool. One ``write(2)`` a call, no lock, no await;
what was appended survives the death of every process.
Files are 0600 in 0700 folders::

    spool/<boot>-<worker>/lock                flock'ed while the writer lives
    spool/<boot>-<worker>/00000001.seg        16-byte header, then records
    spool/<boot>-<worker>/bodies/<id hex>     request bodies too large for a record
    spool/quarantine/                         bytes that could not be read, for a person to look at
"""
