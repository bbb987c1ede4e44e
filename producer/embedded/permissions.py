"""What running as root asks for: PostgreSQL refuses to be root, so it runs as a user of its own."""

import os
import pwd
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

USER = "embedded_postgres"


def server_user() -> int | None:
    """The id of the user that PostgreSQL runs as, made when it is missing; None when we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(USER).pw_uid
    except KeyError:
        made = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
        subprocess.run(made, check=False, capture_output=True)
        return pwd.getpwnam(USER).pw_uid


def open_the_way(path: Path, log: Callable[[str], None]) -> None:
    """Let other users pass through the folders above `path`: traverse, not read, and only where they cannot yet."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            log(f"{folder} may now be passed through by other users (not read), so that PostgreSQL reaches its data")


def own_tree(root: Path, user: int | None) -> None:
    """Give a folder and all in it to the server's user, closed to everybody else."""
    root.chmod(0o700)
    if user is None:
        return
    for place, _, files in os.walk(root):
        os.chown(place, user, user)
        for name in files:
            os.chown(Path(place) / name, user, user)


def write_private(path: Path, text: str) -> None:
    """A file that only we can read, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.replace(path)
