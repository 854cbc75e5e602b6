"""Carrying a whole record from one database into another, of either engine, while the first is written to.

``places`` looks at both first, ``plan`` says how each table is carried, ``side`` reads and writes one of the two
databases, ``carrying`` brings over the rows that come and stay, ``purging`` removes what the source has dropped since,
``renewing`` what it has taken away of calls that it keeps, ``merging`` brings the small tables that change,
``comparing`` looks whether both say the same, ``state`` keeps in the target what it is; ``procedure`` puts that in
order. Who may write meanwhile, and which database is the record afterwards, is decided by ``loader/handover``.

The source is only read, in short transactions by ranges of keys. What was carried is never remembered: where to go on
follows from what the target holds, so that the end of any process at any moment costs one batch at most.
"""
