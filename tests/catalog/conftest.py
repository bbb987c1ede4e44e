"""The shipped catalog, read once."""

import pytest

from sql.catalog import Catalog, load_catalog


@pytest.fixture(scope="session")
def shipped() -> Catalog:
    return load_catalog()
