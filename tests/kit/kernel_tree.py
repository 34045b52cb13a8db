# SPDX-License-Identifier: MIT
"""A kernel tree as Debian's packages lay it out, without a kernel."""

from pathlib import Path

from lppack.model import Kernel

RELEASE = "6.1.0-9-amd64"


def make_kernel(root: Path, *, compiler: str = "gcc-12") -> Kernel:
    own = root / f"usr/src/linux-headers-{RELEASE}"
    common = root / "usr/src/linux-headers-6.1.0-9-common"
    scripts = root / "usr/lib/linux-kbuild-6.1/scripts"
    for folder in (own, common, scripts, root / "boot"):
        folder.mkdir(parents=True)
    (own / "Makefile").write_text(f"include /usr/src/{common.name}/Makefile\n")
    (own / "scripts").symlink_to("../../lib/linux-kbuild-6.1/scripts")
    (own / ".kernelvariables").write_text("")
    (common / "Makefile").write_text("all:\n\t@echo built in $(CURDIR)\n")
    (scripts / "Makefile.build").write_text("")
    config = root / f"boot/config-{RELEASE}"
    config.write_text(f'CONFIG_CC_VERSION_TEXT="{compiler} (Debian 12.2.0-14) 12.2.0"\n')
    return Kernel(
        release=RELEASE,
        version="#1 SMP",
        suite="bookworm",
        root=root,
        image=root / f"boot/vmlinuz-{RELEASE}",
        config=config,
        modules=root / f"lib/modules/{RELEASE}",
        headers=own,
    )
