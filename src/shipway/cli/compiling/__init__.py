"""Verbs about the files people write: init, validate, render, plan, explain, catalog, schema."""
