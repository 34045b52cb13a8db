# SPDX-License-Identifier: MIT
"""load: turn a folder or a file into a Document. The file is hostile input."""

import re
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from lppack.document import Document, Place, Pointer
from lppack.errors import Level, ManifestError, Problem
from lppack.names import MANIFEST

_SIZE_MAX = 256 * 1024
_DEPTH_MAX = 16
_NODES_MAX = 20_000
_TIME = "tag:yaml.org,2002:timestamp"
#: libyaml's parser, if PyYAML was built with it: ten times faster, with the same events.
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(path: Path) -> Document:
    """Read ``path`` (a patch folder or its manifest).

    Raise ManifestError if the file is missing, too large, not UTF-8, not YAML, too deeply nested,
    or has a duplicate key.
    """
    file = _manifest(path)
    return parse(_text(file, str(file)), file)


def load_file(file: Path, what: str) -> Document:
    """Read a YAML file that is not a manifest; times stay text. Raise ManifestError."""
    if not file.exists():
        hint = f"docs/fleet.md says what is in {what}"
        raise ManifestError([_problem(str(file), (1, 1), "file", "does not exist", hint)])
    return parse(_text(file, str(file)), file, what, times=False)


def is_patch(folder: Path) -> bool:
    """Return True if ``folder`` has a manifest of lppack, even a faulty one."""
    try:
        text = _text(folder / MANIFEST, "")
    except ManifestError:
        return False
    return re.search(r"^([\"']?)lppack\1[ \t]*:", text, re.MULTILINE) is not None


def parse(text: str, file: Path, what: str = "a manifest", *, times: bool = True) -> Document:
    """Parse ``text``, the content of ``file``; without ``times``, times stay text.

    Raise ManifestError as load() does.
    """
    shown = str(file)
    loader = _Loader(shown, times=times)
    try:
        _refuse_unbounded(text, shown, what)
        node = _PARSER(text).get_single_node()
        data = loader.value(node, ()) if node is not None else None
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark or error.context_mark)
        what, hint = str(error.problem or error.context), None
        if _is_indented_by_tab(text, place[0]):
            what, hint = "the line is indented by a tab", "YAML indents with blanks"
        raise ManifestError([_problem(shown, place, "yaml", what, hint)]) from None
    except yaml.YAMLError as error:
        raise ManifestError([_problem(shown, (1, 1), "yaml", str(error).splitlines()[0])]) from None
    if not isinstance(data, dict):
        loader.problems.append(_problem(shown, (1, 1), "yaml", f"{what} is a mapping of keys"))
        raise ManifestError(loader.problems)
    if loader.problems:
        raise ManifestError(loader.problems)
    return Document(path=file, shown=shown, data=data, values=loader.values, keys=loader.keys)


def _is_indented_by_tab(text: str, line: int) -> bool:
    """Return True if the line (from 1) is indented by a tab; the line may be after the last one."""
    lines = text.split("\n")
    return line <= len(lines) and re.match(r" *\t", lines[line - 1]) is not None


def _manifest(path: Path) -> Path:
    """Return the path of the manifest. Raise ManifestError for another file of a patch."""
    try:
        if path.is_dir():
            return path / MANIFEST
        if path.suffix in (".c", ".h", ".diff", ".patch", ".lpp", ".ko") and path.is_file():
            beside = path.parent / MANIFEST
            hint = f"give {path.parent}" if beside.is_file() else "give the folder of the patch"
            raise ManifestError(
                [_problem(str(path), (1, 1), "file", "is not a manifest", hint)]
            ) from None
        return path
    except OSError:  # the name is too long, or the folder is not readable: _text() reports it
        return path


def _problem(shown: str, place: Place, rule: str, message: str, hint: str | None = None) -> Problem:
    return Problem(
        file=shown,
        line=place[0],
        column=place[1],
        level=Level.ERROR,
        rule=rule,
        message=message,
        hint=hint,
    )


def _text(file: Path, shown: str) -> str:
    try:
        info = file.stat()
        if not stat.S_ISREG(info.st_mode):
            raise ManifestError([_problem(shown, (1, 1), "file", "is not an ordinary file")])
        if info.st_size > _SIZE_MAX:
            raise ManifestError(
                [_problem(shown, (1, 1), "file", f"is larger than {_SIZE_MAX // 1024} KiB")]
            )
        raw = file.read_bytes()
    except OSError as error:
        hint = _near(file) if isinstance(error, FileNotFoundError) else None
        raise ManifestError(
            [_problem(shown, (1, 1), "file", f"cannot be read: {error.strerror}", hint)]
        ) from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ManifestError([_problem(shown, (line, 1), "file", "is not UTF-8")]) from None


def _near(file: Path) -> str:
    """Return a hint for a path that does not exist."""
    import difflib

    folder = file if file.name != MANIFEST else file.parent
    parent = folder.parent
    try:
        names = [entry.name for entry in parent.iterdir()]
    except OSError:
        names = []
    close = difflib.get_close_matches(folder.name, names, n=1)
    if close and close[0] != folder.name:
        return f'did you mean "{parent / close[0]}"?'
    return f"give the folder of a patch, which holds {MANIFEST}"


def _refuse_unbounded(text: str, shown: str, what: str) -> None:
    """Raise ManifestError for YAML that is too expensive to parse; works without recursion."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_PARSER)):
        message = None
        if isinstance(event, yaml.AliasEvent):
            message = f"an alias (*name) is not allowed in {what}"
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            if depth > _DEPTH_MAX:
                message = f"is nested deeper than {_DEPTH_MAX}"
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        if count > _NODES_MAX:
            message = f"has more than {_NODES_MAX} nodes"
        if message:
            raise ManifestError([_problem(shown, _place(event.start_mark), "yaml", message)])


def _place(mark: Any) -> Place:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


class _Loader:
    """Converts YAML nodes to plain data; records the places of values, and duplicate keys."""

    def __init__(self, shown: str, *, times: bool) -> None:
        self.shown = shown
        self.times = times
        self.values: dict[Pointer, Place] = {}
        self.keys: dict[Pointer, Place] = {}
        self.problems: list[Problem] = []
        self._scalars = yaml.SafeLoader("")

    def value(self, node: yaml.Node, pointer: Pointer) -> Any:
        place = _place(node.start_mark)
        self.values[pointer] = place
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*pointer, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, pointer)
        if node.tag == _TIME and not self.times:
            return node.value
        try:
            made = self._scalars.construct_object(node)
            str(made)  # ValueError: the number has more digits than Python prints
            return made
        except (yaml.YAMLError, ValueError) as error:
            reason = str(getattr(error, "problem", None) or error)
        except (LookupError, AttributeError):  # the text does not fit its explicit tag
            reason = f"is not what its tag {ascii(node.tag)} says"
        self.problems.append(_problem(self.shown, place, "yaml", reason))
        return None

    def _mapping(self, node: yaml.MappingNode, pointer: Pointer) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            key: Hashable = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str) or key_node.tag == "tag:yaml.org,2002:merge":
                self.problems.append(_problem(self.shown, place, "yaml", "a key must be a word"))
                continue
            if key in made:
                self.problems.append(
                    _problem(
                        self.shown,
                        place,
                        "duplicate-key",
                        f'key "{ascii(key)[1:-1]}" was given above already',
                    )
                )
                continue
            self.keys[(*pointer, key)] = place
            made[key] = self.value(value_node, (*pointer, key))
        return made
