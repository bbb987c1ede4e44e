"""URLs that callers give: the text alone already tells many that lead inside."""

import pytest

from core.outbound import check_public_url, is_public_address


@pytest.mark.parametrize(
    "url",
    [
        "https://images.example.com/a.png",
        "http://8.8.8.8/x",
        "https://example.org:8443/hook?a=b",
        "http://[2606:4700::6810:84e5]/",
        "http://[::ffff:8.8.8.8]/",
        "https://xn--bcher-kva.example/",
    ],
)
def test_a_public_address_is_let_through(url: str) -> None:
    assert check_public_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://１２７.0.0.1/",
        "http://127。0。0。1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://0.0.0.0/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://168.63.129.16/",
        "http://198.18.0.1/",
        "http://192.0.2.1/",
        "http://224.0.0.1/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1%25eth0]/",
        "http://[fc00::1]/",
        "http://[fd00:ec2::254]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
    ],
)
def test_an_inside_address_is_refused_however_it_is_written(url: str) -> None:
    assert check_public_url(url) == "names a private or reserved address"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost:5432/", "inside this network"),
        ("http://LOCALHOST./", "inside this network"),
        ("http://db.localhost/", "inside this network"),
        ("http://metadata.google.internal/", "inside this network"),
        ("http://printer.local/", "inside this network"),
        ("http://redis:6379/", "full host name"),
        ("ftp://example.com/a", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("example.com/a", "http:// or https://"),
        ("http://user:secret@example.com/", "user name"),
        ("http://user@example.com/", "user name"),
        ("http:///a", "no host"),
        ("http://example.com:0/", "no host"),
        ("http://example.com:99999/", "not a URL"),
        ("http://[::1/", "not a URL"),
        ("http://example.com\\@127.0.0.1/", "backslash"),
        ("http://exam ple.com/", "space"),
        ("http://example.com/\r\nx: y", "control"),
    ],
)
def test_other_faults_are_named(url: str, words: str) -> None:
    reason = check_public_url(url)
    assert reason is not None
    assert words in reason


def test_what_a_resolver_gives_is_judged_like_what_is_written() -> None:
    assert is_public_address("93.184.216.34")
    assert is_public_address("2606:4700::6810:84e5")
    for inside in ("10.0.0.1", "::1", "fe80::1%eth0", "::ffff:192.168.0.1", "not an address", ""):
        assert not is_public_address(inside)
