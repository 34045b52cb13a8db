# SPDX-License-Identifier: MIT
"""Packages of which a name is imported when it is first used, so that nobody pays for the rest."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def late(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the __getattr__ of a package; ``names``: of each of its modules, in one text."""
    homes = {name: home for home, words in names.items() for name in words.split()}

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    return find
