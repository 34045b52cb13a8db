# SPDX-License-Identifier: MIT
"""The kernels that lppack supports, and the suites and compilers that they come from."""

from dataclasses import dataclass

#: A kernel's flavours: the last part of the names of its packages. The first is the default.
FLAVOURS = ("amd64", "cloud-amd64", "rt-amd64")


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Debian."""

    number: str  # in the versions of its packages: "+deb13u1"
    compiler: str  # its default, for programs that belong to no kernel


#: Debian's releases, oldest first.
RELEASES = {
    "bullseye": Release("11", "gcc-10"),
    "bookworm": Release("12", "gcc-12"),
    "trixie": Release("13", "gcc-14"),
    "forky": Release("14", "gcc-15"),
}

#: Suites that stand beside a release, or above all, and the one whose compiler builds for them.
BESIDE = {
    "bookworm-backports": "bookworm",
    "trixie-backports": "trixie",
    "sid": "sid",
    "experimental": "sid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Supported:
    """A series of kernels, and how far lppack was tried on it; the texts are for people."""

    series: str  # "6.12"
    releases: tuple[str, ...]  # patterns for --kernel; {} stands for a flavour
    where: str
    facts: str
    kernel_engine: str
    own_engine: str
    draft: str

    def pattern(self, flavour: str = FLAVOURS[0]) -> str:
        return self.releases[0].format(flavour)


#: Oldest first; the first is what commands and tests use unasked.
SUPPORTED = (
    Supported(
        series="6.1",
        releases=("6.1.0-*-{}",),
        where="Debian 12",
        facts="CI, against a booted guest",
        kernel_engine="CI",
        own_engine="CI",
        draft="CI",
    ),
    Supported(
        series="6.12",
        releases=("6.12.*+deb13-{}", "6.12.*+deb12-{}"),
        where="Debian 13, backports of 12",
        facts="CI, against a booted guest",
        kernel_engine="CI",
        own_engine="CI",
        draft="CI (source against kernel)",
    ),
    Supported(
        series="7.2",
        releases=("7.2.*+deb13-{}", "7.2.*+deb14-{}"),
        where="backports of 13, forky, sid",
        facts="CI, against a booted guest",
        kernel_engine="CI: two examples",
        own_engine="CI: kpatch, kgraft, checkpoint; refcount by hand",
        draft="CI (source against kernel); drafts by hand",
    ),
    Supported(
        series="7.3",
        releases=("7.3.*+deb13-{}",),
        where="backports of 13",
        facts="decoded; exports compared with Module.symvers",
        kernel_engine="by hand: proc-cmdline",
        own_engine="by hand: kpatch, kgraft, checkpoint",
        draft="not tried",
    ),
)

#: Where kernels are looked for, in this order.
KERNEL_SUITES = ("bookworm", "trixie", *BESIDE)


def releases_of(series: str = SUPPORTED[0].series, flavour: str = FLAVOURS[0]) -> str:
    """Return the releases of a supported series, as --kernel takes them: "6.1.0-*-amd64".

    Raise KeyError for a series that is not supported.
    """
    return {one.series: one for one in SUPPORTED}[series].pattern(flavour)
