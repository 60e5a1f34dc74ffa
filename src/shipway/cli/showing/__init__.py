"""``shipway demo``."""
