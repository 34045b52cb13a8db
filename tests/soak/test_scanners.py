# SPDX-License-Identifier: MIT
"""What lppack vex writes, as the scanner cve-bin-tool reads it: by its reader, and in a scan."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from lppack.stages.vex import of_host
from lppack.stages.vex_formats import FORMATS, Author
from tests.kit.bundles import made
from tests.kit.command import lppack
from tests.kit.evidence import fix, host, patch

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


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With cve-bin-tool, and its reader lib4vex."""
    venv = tmp_path_factory.mktemp("scanner") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    argv = [str(venv / "bin/pip"), "install", "--quiet", "cve-bin-tool"]
    subprocess.run(argv, check=True, timeout=600)
    return venv


@pytest.mark.slow
def test_a_reader_of_a_scanner_finds_the_package_and_the_status(venv: Path, tmp_path: Path) -> None:
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


#: Instead of the data of the NVD, which a scan without it would download.
_DATABASE = """
import sqlite3, sys
from pathlib import Path
from cve_bin_tool.cvedb import CVEDB, DBNAME
folder, product, version, *cves = sys.argv[1:]
Path(folder).mkdir(parents=True)
with sqlite3.connect(Path(folder) / DBNAME) as data:
    for table in CVEDB.TABLE_SCHEMAS.values():
        data.execute(table)
    for cve in cves:
        row = (cve, "HIGH", "", 7.8, 3, "", "NVD", "2026-01-01")
        data.execute("INSERT INTO cve_severity VALUES (?,?,?,?,?,?,?,?)", row)
        row = (cve, "debian", product, version, "", "", "", "", "NVD")
        data.execute("INSERT INTO cve_range VALUES (?,?,?,?,?,?,?,?,?)", row)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "remarks"),
    [
        (None, ("NewFound", "NewFound", "NewFound")),
        ("openvex", ("Mitigated", "Confirmed", "NewFound")),
        # It does not find the package in these: docs/fleet.md.
        ("csaf", ("NewFound", "NewFound", "NewFound")),
        ("cyclonedx", ("NewFound", "NewFound", "NewFound")),
    ],
)
def test_a_scan_does_not_report_what_a_live_patch_has_fixed(
    venv: Path, tmp_path: Path, kind: str | None, remarks: tuple[str, ...]
) -> None:
    """The kernel package has three CVEs: fixed, live in part, and not known to be complete."""
    cves = [f"CVE-2026-000{number}" for number in "123"]
    found = of_host(
        host(
            patch(fix(cve=cves[0])),
            patch(fix(cve=cves[1], live=False, in_part=True), series="b"),
            patch(fix(cve=cves[2]), series="c", complete="not checked"),
        ),
        "local at web1",
    )
    cache = tmp_path / ".cache/cve-bin-tool"
    argv = [str(venv / "bin/python"), "-c", _DATABASE, str(cache), found.name, found.package]
    subprocess.run([*argv, *cves], check=True, timeout=120, env={"HOME": str(tmp_path)})
    kernel = {
        "type": "operating-system",
        "name": found.name,
        "version": found.package,
        "purl": found.purl,
    }
    sbom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [kernel]}
    (tmp_path / "sbom.json").write_text(json.dumps(sbom))
    argv = [str(venv / "bin/cve-bin-tool"), "--offline", "--disable-validation-check"]
    argv += ["--sbom", "cyclonedx", "--sbom-file", "sbom.json", "-f", "json", "-o", "out.json"]
    if kind is not None:
        author = Author(name="Operations", namespace="https://example.org")
        text = FORMATS[kind](found, author, datetime.now(UTC), uuid4())
        (tmp_path / "vex.json").write_text(text)
        argv += ["--vex-file", "vex.json"]
    ran = subprocess.run(
        argv, cwd=tmp_path, env={"HOME": str(tmp_path)}, capture_output=True, text=True, timeout=300
    )
    assert (tmp_path / "out.json").exists(), ran.stdout + ran.stderr
    said = {
        row["cve_number"]: row["remarks"] for row in json.loads((tmp_path / "out.json").read_text())
    }
    assert tuple(said[cve] for cve in cves) == remarks
