# SPDX-License-Identifier: MIT
import pytest

from lppack.errors import EnvironmentMissing
from lppack.hosts import open_host
from lppack.hosts.address import Address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("web1", ("--", "web1")),
        ("root@web1.example.org", ("-l", "root", "--", "web1.example.org")),
        ("root@web1:2222", ("-l", "root", "-p", "2222", "--", "web1")),
        ("[2001:db8::1]:22", ("-p", "22", "--", "2001:db8::1")),
        ("[fe80::1%eth0]", ("--", "fe80::1%eth0")),
        ("my_alias", ("--", "my_alias")),
    ],
)
def test_what_ssh_is_given(text: str, words: tuple[str, ...]) -> None:
    assert Address.parse(text).words() == words


@pytest.mark.parametrize(
    "text",
    [
        *("", "-oProxyCommand=id", "-v@web1", "root@-v", "a b", "web1 id", "web1;id", "$(id)"),
        *(
            "web1:",
            "web1:0",
            "web1:65536",
            "web1:-1",
            "web1:99999999999",
            "@web1",
            "root@",
            "a@b@c",
        ),
        *("web1\n", "\nweb1", "web1\0", "2001:db8::1", "[-v]", "[::1", "\N{FULLWIDTH DIGIT ONE}"),
        *("web1:\N{ARABIC-INDIC DIGIT TWO}", "a/b", "a,b", "x" * 600),
    ],
)
def test_what_ssh_is_not_given(text: str) -> None:
    with pytest.raises(EnvironmentMissing) as caught:
        Address.parse(text)
    assert "is not the address of a host" in caught.value.message
    assert "ssh:[user@]host[:port]" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["", "ssh", "ssh:", "guest", "local:", "local:x", "SSH:a", "x"])
def test_what_is_no_host_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(EnvironmentMissing) as caught, open_host(name):
        pass
    assert caught.value.hint == "local, guest:NAME, ssh:[user@]host[:port], or simulated"
