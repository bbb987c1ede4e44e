"""Connections are open files, and a shell allows a process a thousand."""

import resource

MOST = 65_536


def allow_many_files() -> None:
    """As many as the system lets this process have, within reason."""
    own, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if most == resource.RLIM_INFINITY else min(MOST, most)
    if own != resource.RLIM_INFINITY and own < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
