"""Append-only event log with expected-version append. Knows bytes and versions, not what an event means."""
