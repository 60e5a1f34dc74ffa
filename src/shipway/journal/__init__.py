"""Append-only event log with expected-version append. Knows bytes and versions, not what an event means.

``chain``   the digest that links the events of a stream
``schema``  the one table, its indexes and triggers
``sql``     the journal over any SQLAlchemy engine
``sqlite``  files: opening, checking, and what SQLite's errors mean to a person
``pages``   SQLite's file format read by hand, for files that SQLite itself refuses
``repair``  every intact event out of a damaged file into a new one
"""
