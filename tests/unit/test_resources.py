# SPDX-License-Identifier: MIT
import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lppack import resources
from tests.kit.c_text import unescape


def test_what_travels_with_lppack_is_there() -> None:
    assert (resources.examples() / "proc-cmdline/manifest.yaml").is_file()
    assert (resources.template_dir() / "module/Kbuild.j2").is_file()


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(resources.schema("manifest-v1"))


def test_the_schema_lets_no_unknown_key_through() -> None:
    def objects(node: object) -> list[dict[str, object]]:
        if isinstance(node, dict):
            below = [found for value in node.values() for found in objects(value)]
            return [node, *below] if node.get("type") == "object" else below
        if isinstance(node, list):
            return [found for value in node for found in objects(value)]
        return []

    found = objects(resources.schema("manifest-v1"))
    assert len(found) > 5
    assert all(node["additionalProperties"] is False for node in found)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("??/", r'"\?\?/"'),
        ("é1", r'"\303\2511"'),
        ("%s %n", '"%s %n"'),
    ],
)
def test_text_is_quoted_for_c(text: str, literal: str) -> None:
    assert resources.c_string(text) == literal


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_what_is_quoted_comes_back(text: str) -> None:
    literal = resources.c_string(text)
    assert unescape(literal) == text
    assert literal.isascii()
    assert "??" not in literal


@pytest.mark.parametrize("char", [*map(chr, range(0x20)), "\x7f", "\ud800"])
def test_control_characters_cannot_be_quoted(char: str) -> None:
    with pytest.raises(ValueError, match="quoted|surrogates"):
        resources.c_string(f"a{char}b")


def test_a_word_that_a_template_does_not_know_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        resources.render("module/Kbuild.j2")


def test_a_template_that_is_not_there_is_an_error() -> None:
    with pytest.raises(jinja2.TemplateNotFound):
        resources.render("module/absent.j2", plan=None)
