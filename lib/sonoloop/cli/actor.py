"""Whose doing a command is."""

import getpass
import os


def actor_here() -> str:
    """Who is logged in here: the name, or the number where the system has no name for it.

    Containers often run under a number that no account of theirs has.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
