# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest

from tests.unit.rules.cases import odd_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return odd_folder(tmp_path_factory.mktemp("patch"))
