"""Append-only event log with expected-version append. Knows bytes and versions, not what an event means.

``chain``          the digest that links the events of a stream
``schema``         the one table, its indexes and triggers
``sql``            the journal over any SQLAlchemy engine
``sqlite``         the journal in a file: opening it, checking it, saying where damage begins
``sqlite_errors``  what SQLite's errors mean to a person
``pages``          SQLite's file format read by hand, for files that SQLite itself refuses
``salvage``        which events of a damaged file are proven intact
``repair``         those events into a new file
``files``          moving the files so that a crash loses none
"""
