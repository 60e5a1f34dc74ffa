"""Who asks. Used by every verb that records or tells of it."""

import getpass


def person() -> str:
    """Who asks: the login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for its user
        return "somebody"
