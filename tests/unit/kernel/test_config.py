# SPDX-License-Identifier: MIT
"""A kernel's .config is understood as kconfig writes it."""

from pathlib import Path

import pytest

from lppack.errors import EnvironmentMissing
from lppack.kernel.config import parse_config, read_config
from lppack.kernel.errors import FactsError

TEXT = """\
#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"
CONFIG_LIVEPATCH=y
CONFIG_BLK_DEV_LOOP=m
# CONFIG_X86_KERNEL_IBT is not set
CONFIG_HZ=250
CONFIG_PHYSICAL_START=0x1000000
CONFIG_LOCALVERSION=""
CONFIG_QUOTED="a \\"b\\" \\\\ c = d"
"""


def test_options() -> None:
    config = parse_config(TEXT)
    assert config.is_on("LIVEPATCH")
    assert config.is_on("CONFIG_LIVEPATCH")
    assert config.is_on("BLK_DEV_LOOP")
    assert not config.is_on("X86_KERNEL_IBT")
    assert not config.is_on("NEVER_HEARD_OF")
    assert not config.is_on("HZ")
    assert config.value("HZ") == "250"
    assert config.value("CONFIG_PHYSICAL_START") == "0x1000000"
    assert config.value("X86_KERNEL_IBT") is None
    assert config.value("NEVER_HEARD_OF") is None
    assert config.value("LOCALVERSION") == ""
    assert config.value("QUOTED") == 'a "b" \\ c = d'


def test_it_is_a_mapping() -> None:
    config = parse_config(TEXT)
    assert len(config) == 8
    assert config["X86_KERNEL_IBT"] == "n"
    assert "CONFIG_HZ" in config
    assert dict(config)["LIVEPATCH"] == "y"


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0", "gcc-12"),
        ("gcc (GCC) 14.2.1", "gcc"),
        ("x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0", "x86_64-linux-gnu-gcc-14"),
    ],
)
def test_compiler(text: str, program: str) -> None:
    assert parse_config(f'CONFIG_CC_VERSION_TEXT="{text}"').compiler == program


@pytest.mark.parametrize("text", ('="Debian clang version 14.0.6"', '=""', "_ELSE=y"))
def test_no_gcc_is_an_error(text: str) -> None:
    with pytest.raises(FactsError, match="does not name a gcc"):
        _ = parse_config(f"CONFIG_CC_VERSION_TEXT{text}").compiler


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("CONFIG_A=y\nrubbish\n", r"config:2: not a line"),
        ('CONFIG_A="unfinished\n', "unterminated string"),
        ("# only a comment\n", "no option"),
    ],
)
def test_what_is_no_config_is_refused(text: str, says: str) -> None:
    with pytest.raises(FactsError, match=says):
        parse_config(text)


def test_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing):
        read_config(tmp_path / "config")
    (tmp_path / "config").write_text(TEXT)
    assert read_config(tmp_path / "config").compiler == "gcc-12"
