# SPDX-License-Identifier: MIT
"""What lppack vex writes, as a scanner reads it: by lib4vex, which reads for cve-bin-tool."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.bundles import made
from tests.kit.command import lppack

_READ = """
import json, sys
from lib4vex.parser import VEXParser
read = {}
for path in sys.argv[1:]:
    parser = VEXParser(vex_type="auto")
    parser.parse(path)
    read[path] = [parser.get_type(), parser.get_vulnerabilities(), parser.get_product()]
print(json.dumps(read))
"""
#: What each format calls `affected`, and where lib4vex has what to do about it.
AFFECTED = {
    "openvex": ("affected", "comment"),
    "csaf": ("known_affected", "action"),
    "cyclonedx": ("exploitable", "comment"),
}


@pytest.mark.slow
def test_a_reader_of_a_scanner_finds_the_package_and_the_status(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    argv = [str(venv / "bin/pip"), "install", "--quiet", "lib4vex"]
    subprocess.run(argv, check=True, timeout=600)
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    ran = lppack("apply", made(tmp_path, tmp_path), "--engine", "simulated", env=env)
    assert ran.rc == 0, ran.err
    files = {}
    for name in AFFECTED:
        files[name] = tmp_path / f"{name}.json"
        ran = lppack("vex", "--engine", "simulated", "--format", name, env=env)
        assert ran.rc == 0, ran.err
        files[name].write_text(ran.out)
    argv = [str(venv / "bin/python"), "-c", _READ, *map(str, files.values())]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    for name, (status, action) in AFFECTED.items():
        kind, said, product = read[str(files[name])]
        assert kind == name
        assert {one["status"] for one in said} == {status}
        assert all(one["id"].startswith("CVE-") and "lppack" in one[action] for one in said)
        assert "linux-image-" in json.dumps(product)
