"""Store the cookies set at login, except the token cookie (for example, a load balancer's cookies)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from explorer_frames._http.retries import http_date

if TYPE_CHECKING:
    from collections.abc import Iterable

# Some proxies join several headers with commas. A comma in a date is not followed by `name=`.
_JOINT = re.compile(r",\s*(?=[\w.-]+=)", re.ASCII)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (RFC 9110)
_VALUE = re.compile(r"[\x21-\x7e]*")
_ADDRESS = re.compile(r"[0-9.]+|.*:.*")
_MAX_AGE = re.compile(r"-?[0-9]{1,12}")


@dataclass(frozen=True, slots=True, repr=False)
class Cookie:
    """Cookie of a login session."""

    name: str
    value: str
    path: str
    secure: bool
    ends: float  # expiry on the monotonic clock

    def is_for(self, scheme: str, path: str) -> bool:
        """Return whether a request must include the cookie, according to RFC 6265."""
        within = path == self.path or path.startswith(self.path.rstrip("/") + "/")
        return within and (scheme == "https" or not self.secure) and time.monotonic() < self.ends


class Cookies:
    """Cookies of one login session, shared by its threads."""

    def __init__(self, url: str, set_cookies: Iterable[str], without: str) -> None:
        self._url = url
        # A later response replaces all cookies of the same name in one step. It cannot add names.
        self._by_name: dict[str, tuple[Cookie, ...]] = {}
        for cookie in _parsed(set_cookies, url):
            if cookie.name != without:
                others = (one for one in self._by_name.get(cookie.name, ()) if one.path != cookie.path)
                self._by_name[cookie.name] = (*others, cookie)

    def renew(self, set_cookies: Iterable[str]) -> None:
        """Replace the known cookies that a later response sets or expires."""
        for cookie in _parsed(set_cookies, self._url):
            if cookie.name in self._by_name:
                self._by_name[cookie.name] = (cookie,)

    def header(self, url: str) -> str:
        """Return the cookies to append to the ``Cookie`` header of a request to `url`."""
        parts = urlsplit(url)
        kept = [cookie for group in tuple(self._by_name.values()) for cookie in group]
        sent = [cookie for cookie in kept if cookie.is_for(parts.scheme, parts.path)]
        sent.sort(key=lambda cookie: -len(cookie.path))  # longer paths first
        return "".join(f"; {cookie.name}={cookie.value}" for cookie in sent)

    def secrets(self) -> list[str]:
        """Return the cookie values, which errors must not contain."""
        return [cookie.value for group in tuple(self._by_name.values()) for cookie in group if cookie.value]


def _parsed(set_cookies: Iterable[str], url: str) -> list[Cookie]:
    """Parse headers, and skip cookies that are invalid or for other domains."""
    found = (_cookie(part, url) for header in set_cookies for part in _JOINT.split(header))
    return [cookie for cookie in found if cookie is not None]


def _cookie(header: str, url: str) -> Cookie | None:
    first, *rest = header.split(";")
    name, equals, value = (part.strip() for part in first.partition("="))
    if not (equals and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
        return None
    attributes = {}
    for part in rest:
        key, _, text = part.partition("=")
        attributes[key.strip(" \t#").lower()] = text.strip(" \t\"'")
    domain = attributes.get("domain", "").removeprefix(".").lower()
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    is_name = not _ADDRESS.fullmatch(host)
    if domain and host != domain and not (is_name and host.endswith(f".{domain}")):
        return None
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = parts.path.rpartition("/")[0] or "/"  # default path (RFC 6265, section 5.1.4)
    return Cookie(name, value, path, "secure" in attributes, time.monotonic() + _life(attributes))


def _life(attributes: dict[str, str]) -> float:
    """Return a cookie's lifetime in seconds, which is infinite for a session cookie."""
    age = attributes.get("max-age", "")
    if _MAX_AGE.fullmatch(age):
        return float(age) if int(age) > 0 else float("-inf")
    ends = http_date(attributes.get("expires", ""))
    return float("inf") if ends is None else ends - time.time()
