"""Which page made a browser send a request, as the browser says it; programs say nothing."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

ELSEWHERE = "This request cannot come from another site."


def foreign(headers: Headers) -> bool:
    """Whether a page of another origin sent this.

    `Sec-Fetch-Site`, which no page can set, goes before a comparison of hosts: what stands before
    the server may ask it under another name. Browsers say it over TLS, or to their own machine.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and host_of(origin) != headers.get("host", "").lower()


def host_of(origin: str) -> str | None:
    """The host and port of an `Origin`, in lower case; None where it is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
