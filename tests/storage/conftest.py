"""Each kind of store."""

from pathlib import Path

import pytest

from storage.store import Store, open_store


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store in turn."""
    match request.param:
        case "folder":
            return open_store(tmp_path / "audio")
        case "memory":
            return open_store("memory://")
        case _:
            return open_store(request.getfixturevalue("s3_url"))
