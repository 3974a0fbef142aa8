"""Addresses of controllers: what is understood, and what is refused with a reason."""

import pytest

from fairslice.api.address import read_url
from fairslice.errors import InputError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost", "http://localhost:8080"),
        ("localhost:81", "http://localhost:81"),
        ("http://sdn", "http://sdn:8080"),
        ("http://sdn:80", "http://sdn:80"),
        ("http://sdn:8081/", "http://sdn:8081"),
        ("http://sdn:8081/v1", "http://sdn:8081"),
        ("sdn/v1/", "http://sdn:8080"),
        ("10.0.0.7", "http://10.0.0.7:8080"),
        ("::1", "http://[::1]:8080"),
        ("[::1]", "http://[::1]:8080"),
        ("[::1]:81", "http://[::1]:81"),
        ("http://[2001:db8::1]:81/v1", "http://[2001:db8::1]:81"),
    ],
)
def test_an_address_may_lack_what_is_the_same_for_all_controllers(text: str, url: str) -> None:
    assert read_url(text) == url
    assert read_url(url) == url


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://sdn:8080", "speaks http, without TLS"),
        ("http://sdn/v1/status", "found the path /v1/status"),
        ("http://sdn/fairslice", "found the path /fairslice"),
        ("http://sdn?x=1", "found ?x=1"),
        ("http://me:secret@sdn", "a user's name"),
        ("http://::1:8080", "an IPv6 address with a port stands in []"),
        ("my sdn", "it has a blank"),
        ("sdn:0", "a port from 1 to 65535"),
        ("", "a host"),
    ],
)
def test_an_address_that_can_not_be_one_is_told_why(text: str, why: str) -> None:
    with pytest.raises(InputError, match="is not an address of a controller: ") as error:
        read_url(text)
    assert repr(text) in str(error.value)
    assert why in str(error.value)
    assert "expected one such as http://127.0.0.1:8080" in str(error.value)
