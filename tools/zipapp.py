# SPDX-License-Identifier: MIT
"""Build lppack.pyz: one file with what a host needs to apply, revert and inspect patches."""

import subprocess
import sys
import tempfile
import zipapp as python_zipapp
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Extension modules, each for one version of Python; PyYAML also works without its own.
_COMPILED = "*.so"
#: __main__.py: the one that Python's zipapp generates drops the exit code.
_MAIN = "import sys\nfrom lppack.__main__ import main\nsys.exit(main())\n"


def zipapp(out: Path, wheel: Path) -> Path:
    """Pack ``wheel`` and the packages that it needs into ``out``."""
    with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
        site = Path(folder)
        argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
        subprocess.run([*argv, "--target", str(site), str(wheel)], check=True)
        for file in site.rglob(_COMPILED):
            file.unlink()
        (site / "__main__.py").write_text(_MAIN)
        python_zipapp.create_archive(
            site,
            out,
            interpreter="/usr/bin/env python3",
            compressed=True,
            filter=lambda path: path.parts[0] != "bin",
        )
    return out


def main() -> None:
    dist = ROOT / "dist"
    with tempfile.TemporaryDirectory(prefix="lppack-") as folder:
        argv = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        [wheel] = Path(folder).glob("*.whl")
        dist.mkdir(exist_ok=True)
        made = zipapp(dist / "lppack.pyz", wheel)
    print(f"{made}: {made.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
