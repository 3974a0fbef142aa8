"""Where a controller is: the addresses that are understood."""

from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

from fairslice.errors import InputError

DEFAULT_PORT = 8080
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"


def read_url(text: str) -> str:
    """A controller's address as a URL: ``::1`` is ``http://[::1]:8080``.

    A ``/v1`` at its end is left out: it is part of every route.

    Raises:
        InputError: the text is not an address, of another protocol, or its port is out of range.
    """
    expected = f"expected one such as {DEFAULT_URL} or localhost:8080"

    def refusal(why: str) -> InputError:
        return InputError(f"{text!r} is not an address of a controller: {why}; {expected}")

    url = text if "://" in text else f"http://{_bracketed(text)}"
    if any(character.isspace() for character in url):
        raise refusal("it has a blank")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        unclear = url.count(":") > 2 and "[" not in url
        why = "an IPv6 address with a port stands in []" if unclear else str(error)
        raise refusal(why) from None
    if parts.scheme == "https":
        raise refusal("a controller speaks http, without TLS")
    if parts.scheme != "http":
        raise refusal(f"found {parts.scheme}://")
    if not host or port == 0:
        raise refusal(f"it lacks {'a port from 1 to 65535' if host else 'a host'}")
    if "@" in parts.netloc:
        raise refusal("found a user's name, and a controller asks for none")
    if parts.query or parts.fragment:
        raise refusal(f"found {'?' + parts.query if parts.query else '#' + parts.fragment} after the address")
    if parts.path.rstrip("/") not in ("", "/v1"):
        raise refusal(f"found the path {parts.path}, and a controller's begin with /v1")
    return f"http://{_bracketed(host)}:{port or DEFAULT_PORT}"


def _bracketed(host: str) -> str:
    """An IPv6 address as it stands in a URL (RFC 3986 §3.2.2); anything else as it is."""
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host
