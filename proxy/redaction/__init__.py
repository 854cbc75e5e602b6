"""Redaction: what must not be on record is found in bytes and replaced there; pure, bytes in, bytes and edits out.

``credentials``, ``addresses`` and ``account_numbers`` find the built-in patterns, ``patterns`` lists them, ``own``
compiles a user's. ``redactor`` looks for a set of them in many texts. ``strings`` reads the texts of JSON and keeps
where they stand, ``flows`` joins those that a stream says in pieces, ``reading`` looks through a body as it comes,
``bodies`` puts it together again, ``moved`` tells where the rest has gone, ``fields`` does headers, targets and values,
``trial`` shows what patterns do. Everything takes time linear in what it is given.
"""
