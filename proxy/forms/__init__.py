"""The forms that calls have outside the store: what an export writes, and what an import reads back.

``writing`` are the forms, ``calls`` makes entries for the store of what was written, ``parts`` what forms and pages
alike say of bodies, ``text`` JSON that harms no terminal. Where bytes go to and come from is others' business.
"""
