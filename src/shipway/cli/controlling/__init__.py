"""The controller's process, and what it writes beside the journal: use and counters."""
