"""Validate URLs of files and remove secrets from displayed URLs."""

from __future__ import annotations

import ntpath
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from explorer_frames._errors import escaped
from explorer_frames._secrets import Secrets, is_secret_name
from explorer_frames._storage.schemes import scheme_of
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL = {"file", "local"}
_OTHER_EXTENSIONS = (
    *(".csv", ".tsv", ".txt", ".md", ".json", ".jsonl", ".ndjson", ".htm", ".html", ".xml", ".yaml", ".pdf"),
    *(".orc", ".avro", ".h5", ".hdf", ".hdf5", ".npy", ".npz", ".pkl", ".pickle", ".dta", ".sas7bdat"),
    *(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".db", ".sqlite", ".duckdb"),
    *(".gz", ".bz2", ".zip", ".xz", ".zst", ".tar", ".tgz"),
)
# A file with any other extension, or with none, can be Parquet or Feather.
FORMATS = {
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".feather", ".arrow", ".ipc"), "feather"),
    **dict.fromkeys(_OTHER_EXTENSIONS, "other"),
}
WRAPPERS = {
    "simplecache",
    "filecache",
    "blockcache",
    "cached",
    "dir",
    "generic",
    "async_wrapper",
    "asyncwrapper",
}

# The userinfo normally ends at the last "@" before the first "/". However, a password may contain "/". If the host part
# has a colon and no "@", the userinfo ends at the last "@" of the URL. In `_USERINFO`, a colon before a port number
# does not begin a password. Bucket URLs have no ports.
_USERINFO = re.compile(r"(?<=://)(?:[^/]*@|[^/@]*:(?!\d{1,5}/).*@)")
_USERINFO_OF_BUCKET = re.compile(r"(?<=://)(?:[^/]*@|[^/@]*:.*@)")

# In an HTTP URL, the query begins at the first "?". In any other URL, "?" is a wildcard unless "name=" follows it.
_HTTP_QUERY = re.compile(r"(https?://[^?]*)\?.*", re.DOTALL | re.IGNORECASE)
_QUERY = re.compile(r"\?[^?/=]*=.*", re.DOTALL)
_ONE_SLASH = re.compile(r"^((?!file:|local:)[a-zA-Z][a-zA-Z0-9+.-]+):/(?=[^/].*[@?])", re.DOTALL)  # not "://"
WINDOWS = os.name == "nt"
_WINDOWS_INVALID = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$')  # Windows silently removes a trailing period or space
_WINDOWS_DEVICE = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(?:\..*)?", re.IGNORECASE
)
_LONG = 8  # query values of at least this length are treated as secrets
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def named_format(url: str | os.PathLike[str]) -> str | None:
    """Return the file format for a file extension, or None if it is unknown.

    Examples
    --------
    >>> named_format("s3://bucket/a.PQ"), named_format("a.csv.gz"), named_format("a.bin"), named_format(".csv")
    ('parquet', 'other', None, None)
    """
    return FORMATS.get(os.path.splitext(os.fspath(url))[1].lower())  # noqa: PTH122 (a URL)


def check_folder_name(url: str | os.PathLike[str]) -> None:
    """Raise ConfigError if the name of an output folder has a file extension."""
    if named_format(url):
        hint = "Pass a folder name without a file extension."
        raise ConfigError("the folder name has a file extension", where=shown_url(url), hint=hint)


def shown_url(url: str | os.PathLike[str]) -> str:
    """Return a URL without user, password and query, for messages and receipts.

    Examples
    --------
    >>> shown_url("sftp://ann:pw@host/a b.parquet?x=1")
    'sftp://host/a b.parquet'
    """
    text = _ONE_SLASH.sub(r"\1://", os.fspath(url))
    scheme, separator, _ = text.partition("://")
    shown = text
    if separator and scheme not in LOCAL:
        login = _userinfo(text)
        shown = _QUERY.sub("", _HTTP_QUERY.sub(r"\1", text.replace(f"://{login}", "://", 1) if login else text))
    return shown if shown.isprintable() else escaped(shown, len(shown) * 10)


def _userinfo(url: str) -> str:
    """Return the userinfo of a URL, including its ``@``, or an empty string."""
    # In Azure URLs, the part before "@" is the container, unless it contains a password.
    scheme = scheme_of(url)
    found = (_USERINFO_OF_BUCKET if scheme.is_object_store else _USERINFO).search(url)
    return "" if found is None or (scheme.userinfo_is_container and ":" not in found[0]) else found[0]


def local_path(url: str | os.PathLike[str]) -> str | None:
    """Return the absolute path of a local path or URL, or None for a remote URL.

    Examples
    --------
    >>> local_path("s3://bucket/a"), local_path("file:///a//b")
    (None, '/a/b')
    """
    text = os.fspath(url)
    if isinstance(url, str):
        scheme, separator, _ = text.partition("://")
        if separator and scheme not in LOCAL:
            return None
        text = without_scheme(text, windows=WINDOWS)
    try:
        return os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 (paths are plain strings here)
    except FileNotFoundError:
        pass
    raise ConfigError("the working directory does not exist", where=shown_url(url), hint="Pass an absolute path.")


def without_scheme(url: str, *, windows: bool) -> str:
    """Return the path of a local URL, without the slash before a Windows drive."""
    path = re.sub("^(file|local):(//)?", "", url)
    return re.sub("^/(?=[A-Za-z]:)", "", path) if windows else path


def invalid_on_windows(path: str) -> str | None:
    """Return the first component of a path that is invalid on Windows, or None."""
    # Windows accepts some of these names without an error. It writes "a." to "a", writes "a:b" to a stream of "a", and
    # discards data that is written to "NUL".
    parts = re.split(r"[/\\]", ntpath.splitdrive(path)[1])
    names = (part for part in parts if part not in {"", ".", ".."})
    return next((name for name in names if _WINDOWS_INVALID.search(name) or _WINDOWS_DEVICE.fullmatch(name)), None)


def check_local_name(url: str | os.PathLike[str]) -> None:
    """Raise ConfigError if the name of a local file is invalid on Windows."""
    if not WINDOWS:
        return
    text = os.fspath(url)
    name = invalid_on_windows(without_scheme(text, windows=True) if isinstance(url, str) else text)
    if name is not None:
        hint = 'Remove <>:"|?* and any trailing period or space. Do not use the name of a device, such as NUL.'
        what = f"{escaped(name, 80)!r} is not a valid file name on Windows"
        raise ConfigError(what, where=shown_url(url), hint=hint)


def may_hold_secret(url: str) -> bool:
    """Return whether a URL may contain a password or a signature."""
    is_http = re.match("https?://", url, re.IGNORECASE) is not None
    login, query = _userinfo(url), _query(url)
    names = (pair.partition("=")[0] for pair in query.split("&"))
    return bool(query and is_http) or any(map(is_secret_name, names)) or (":" in login or bool(login and is_http))


def _query(url: str) -> str:
    """Return the query of a URL, or an empty string."""
    found = re.search(r"\?(.*)", url, re.DOTALL) if _HTTP_QUERY.match(url) else None
    found = found or (_QUERY.search(url) if "://" in url else None)
    return found[0][1:] if found else ""


def secrets_of_url(url: str) -> Iterator[str]:
    """Yield the user, the password and any possible signatures in a URL."""
    if login := _userinfo(url):
        # Some drivers split a password at "/" and can report each part in an error message.
        yield from (*re.split("[:@]", login), *re.split("[:@/]", login))
    if query := _query(url):
        yield query
        pairs = (pair.partition("=") for pair in query.split("&"))
        yield from (value for name, _, value in pairs if is_secret_name(name) or len(value) >= _LONG)


def secrets_of(options: object, *, is_secret: bool = False) -> Iterator[str]:
    """Yield the secrets in a driver's options, including nested options and URLs.

    Examples
    --------
    >>> [*secrets_of({"endpoint_url": "http://ann@host", "client_kwargs": {"aws_secret_access_key": "x"}})]
    ['ann', '', 'ann', '', 'x']
    """
    if isinstance(options, Mapping):
        for name, value in options.items():
            yield from secrets_of(value, is_secret=is_secret or is_secret_name(name))
    elif isinstance(options, list | tuple | set):
        for item in options:
            yield from secrets_of(item, is_secret=is_secret)
    elif isinstance(options, str):
        yield from [options] if is_secret else secrets_of_url(options)
    elif is_secret and isinstance(options, bytes):
        yield options.decode("utf-8", "replace")
    elif is_secret and isinstance(options, int) and not isinstance(options, bool):
        yield str(options)


def text_of(url: object, noun: str) -> str:
    """Return a path or URL as text, or raise ConfigError if it is invalid."""
    text = os.fspath(url) if isinstance(url, str | os.PathLike) else None
    if isinstance(text, str) and text and "\0" not in text:
        return text
    raise ConfigError(f"the {noun} is not a valid path or URL", hint="Pass a non-empty path or URL.")


def checked(url: str | os.PathLike[str], *, to_read: bool = False) -> str:
    """Validate the URL of an output file, or of an input file if `to_read` is True."""
    text = text_of(url, "target")
    try:
        os.fsencode(text)
        text.encode()
    except UnicodeEncodeError:
        text = ""
    if not text:
        raise ConfigError(
            "the target contains characters that are invalid in a file name", hint="Pass another file name."
        )
    problem = _problem(text, is_path=not isinstance(url, str), to_read=to_read)
    if problem:
        what, hint = problem
        raise ConfigError(what, where=shown_url(text), hint=hint)
    return text


def _problem(text: str, *, is_path: bool, to_read: bool) -> tuple[str, str] | None:
    """Return the error message and hint for a file's URL, or None if it is valid."""
    scheme, separator, rest = text.partition("://")
    store = scheme_of(text) if separator else None
    found = None
    if not is_path and ("::" in text or (separator and scheme in WRAPPERS)):
        hint = "Pass the plain URL of the store, or a local path without ::.\nOr pass a pathlib.Path."
        found = "chained URLs are not supported", hint
    elif text.endswith(("/", os.sep)) or (store and store.is_object_store and "/" not in rest):
        found = "the target is a directory", "Add a file name to the path."
    elif store and not store.is_writable and not to_read:
        found = f"{scheme}:// is read-only", "Pass a local path or the URL of a writable store."
    elif separator and scheme not in {*LOCAL, "memory"} and "?" in rest and not to_read:
        found = "the target URL must not contain a query", "Pass the settings as storage_options=."
    elif separator and scheme in LOCAL and not re.match("[/~]|[A-Za-z]:", rest):
        found = f"{scheme}:// requires an absolute path", f"Pass a URL such as {scheme}:///folder/name."
    elif not separator and re.match("(?!file:|local:)[a-z][a-z0-9+.-]+:/", text):
        hint = "Pass a URL such as scheme://host/name.\nPass it as a str, because pathlib.Path changes :// to :/."
        found = "invalid URL: missing ://", hint
    return found


def check_options(options: object) -> None:
    """Raise ConfigError if storage_options is not a mapping."""
    if not isinstance(options, Mapping):
        hint = "Pass a mapping such as {'key': ..., 'secret': ...}."
        raise ConfigError(f"storage_options must be a mapping, got {type(options).__name__}", hint=hint)


class Mask(Secrets):
    """Callable that formats an exception and masks the secrets in its message."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        check_options(options)
        public = shown_url(url)
        # Text that is part of the displayed URL is not a secret.
        super().__init__(one for one in (*secrets_of_url(url), *secrets_of(options)) if one not in public)

    def __call__(self, error: BaseException) -> str:
        name, text = type(error).__name__, self.masked(str(error))
        return f"{name}: {escaped(text)}" if text else name

    def masked(self, text: str) -> str:
        """Remove secrets and ANSI colors from a text."""
        return self.conceal(_COLOR.sub("", text))
