"""Addresses: what can be the URL of a file to write, and how one is shown without its secrets."""

from __future__ import annotations

import ntpath
import os
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote

from explorer_frames._errors import escaped
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
# A name with another extension, or without one, can have any format.
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

# Up to the last "@" of the host part, or of all where a "/" in a password made the host part end early.
_USERINFO = re.compile(r"(?<=://)(?:[^/]*@|[^/@]*:(?!\d*/).*@)")

# From the first "?" on in a URL of HTTP; elsewhere it is a wildcard, unless "name=" comes behind it.
_HTTP_QUERY = re.compile(r"(https?://[^?]*)\?.*", re.DOTALL | re.IGNORECASE)
_QUERY = re.compile(r"\?[^?/=]*=.*", re.DOTALL)
_WORD = re.compile("[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_SECRET_WORDS = {
    *("key", "keys", "apikey", "pkey", "secret", "secrets", "token", "tokens", "sas", "sastoken", "connectionstring"),
    *("password", "passwords", "passwd", "pwd", "pass", "passphrase", "credential", "credentials"),
    *("auth", "authorization", "accesssignature", "bearer", "cookie", "cookies"),
}
_WORD_BEGINS, _WORD_ENDS = r"(?<![^\W_])", r"(?![^\W_])"
WINDOWS = os.name == "nt"
_WINDOWS_INVALID = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$')  # the last two are cut off without an error
_WINDOWS_DEVICE = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(?:\..*)?", re.IGNORECASE
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def named_format(url: str | os.PathLike[str]) -> str | None:
    """Return the format that the extension of a file's name stands for; None for an unknown extension.

    Examples
    --------
    >>> named_format("s3://bucket/a.PQ"), named_format("a.csv.gz"), named_format("a.bin"), named_format(".csv")
    ('parquet', 'other', None, None)
    """
    return FORMATS.get(os.path.splitext(os.fspath(url))[1].lower())  # noqa: PTH122 (a URL)


def check_folder_name(url: str | os.PathLike[str]) -> None:
    """Raise ConfigError if a folder to write files to has the name of a file."""
    if named_format(url):
        hint = "Pass a folder whose name has no file extension."
        raise ConfigError("the target is a folder with the name of a file", where=shown_url(url), hint=hint)


def shown_url(url: str | os.PathLike[str]) -> str:
    """Return the URL as messages and receipts show it: without user, password and query.

    Parameters
    ----------
    url
        Any address; a local path comes back as it is.

    Returns
    -------
    str
        For Azure the part before ``@`` stays, unless it holds a password: it is the container there.

    Examples
    --------
    >>> shown_url("sftp://ann:pw@host/a b.parquet?x=1")
    'sftp://host/a b.parquet'
    """
    text = os.fspath(url)
    scheme, separator, _ = text.partition("://")
    if not separator or scheme in LOCAL:
        return text if text.isprintable() else escaped(text, len(text) * 10)

    def kept(userinfo: re.Match[str]) -> str:
        return userinfo[0] if scheme_of(text).userinfo_is_container and ":" not in userinfo[0] else ""

    shown = _QUERY.sub("", _HTTP_QUERY.sub(r"\1", _USERINFO.sub(kept, text)))
    return shown if shown.isprintable() else escaped(shown, len(shown) * 10)


def local_path(url: str | os.PathLike[str]) -> str | None:
    """Return the absolute path of what is on local disk; None for what is elsewhere.

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
    raise ConfigError("the working directory is gone", where=shown_url(url), hint="Pass an absolute path.")


def without_scheme(url: str, *, windows: bool) -> str:
    """Return the path of a local URL; on Windows without the slash before a drive.

    Examples
    --------
    >>> without_scheme("file:///C:/a.parquet", windows=True), without_scheme("file:///C:/a.parquet", windows=False)
    ('C:/a.parquet', '/C:/a.parquet')
    """
    path = re.sub("^(file|local):(//)?", "", url)
    return re.sub("^/(?=[A-Za-z]:)", "", path) if windows else path


def invalid_on_windows(path: str) -> str | None:
    r"""Return the first part of a path that cannot be the name of a file on Windows; None if there is none.

    Windows does not always raise: it writes ``a.`` to ``a``, ``a:b`` to a stream of ``a``, and ``NUL`` nowhere.

    Examples
    --------
    >>> invalid_on_windows("C:/lake/a:b.parquet"), invalid_on_windows(r"lake\nul.parquet")
    ('a:b.parquet', 'nul.parquet')
    """
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
        hint = 'Pass a name without <>:"|?*, without a trailing period or blank, and not that of a device such as NUL.'
        what = f"{escaped(name, 80)!r} is not a valid file name on Windows"
        raise ConfigError(what, where=shown_url(url), hint=hint)


def may_hold_secret(url: str) -> bool:
    """Return whether a URL has a password in it, or a query of HTTP, which may be a signature."""
    userinfo = _USERINFO.search(url)
    return (userinfo is not None and ":" in userinfo[0]) or _HTTP_QUERY.search(url) is not None


def secret_options(options: object) -> list[str]:
    """Names of a driver's options that speak of a secret, or whose value is a URL with one; at any depth.

    Examples
    --------
    >>> secret_options({"anon": False, "client_kwargs": {"aws_secret_access_key": "x", "keyfile": "y"}})
    ['aws_secret_access_key']
    """
    if isinstance(options, list | tuple | set):
        return [name for item in options for name in secret_options(item)]
    found = []
    for name, value in options.items() if isinstance(options, Mapping) else ():
        words = [word.lower() for word in _WORD.findall(str(name))]
        values = [text for text in _strings(value) if may_hold_secret(text)] if not isinstance(value, Mapping) else ()
        if _SECRET_WORDS & {*words, *map("".join, pairwise(words))} or values:
            found.append(str(name))
        else:
            found += secret_options(value)
    return found


def checked(url: str | os.PathLike[str], *, to_read: bool = False) -> str:
    """Return the URL as text, when it can be the URL of one file to write, or at least to read."""
    text = os.fspath(url) if isinstance(url, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigError("the target is not a path or a URL", hint="Pass a path or a URL.")
    try:
        os.fsencode(text)
        text.encode()
    except UnicodeEncodeError:
        text = ""
    if not text:
        raise ConfigError("the target has characters that a file name cannot have", hint="Pass another name.")
    problem = _problem(text, is_path=not isinstance(url, str), to_read=to_read)
    if problem:
        what, hint = problem
        raise ConfigError(what, where=shown_url(text), hint=hint)
    return text


def _problem(text: str, *, is_path: bool, to_read: bool) -> tuple[str, str] | None:
    """Return what is wrong with the URL of a file, and a hint."""
    scheme, separator, rest = text.partition("://")
    store = scheme_of(text) if separator else None
    found = None
    if not is_path and ("::" in text or (separator and scheme in WRAPPERS)):
        hint = "Pass the plain URL of the store, or a local file without :: in its name.\nOr pass a pathlib.Path."
        found = "chained URLs are not supported", hint
    elif text.endswith(("/", os.sep)) or (store and store.is_object_store and "/" not in rest):
        found = "the target names a directory", "Add the name of a file."
    elif store and not store.is_writable and not to_read:
        found = f"{scheme}:// can only be read", "Pass a local path or a store's URL."
    elif separator and scheme not in {*LOCAL, "memory"} and "?" in rest and not to_read:
        found = "a URL to write to has no query", "Pass settings as storage_options=."
    elif separator and scheme in LOCAL and not re.match("[/~]|[A-Za-z]:", rest):
        found = f"{scheme}:// needs an absolute path", f"Write {scheme}:///folder/name."
    elif not separator and re.match("(?!file:|local:)[a-z][a-z0-9+.-]+:/", text):
        hint = "Write two slashes: scheme://host/name.\nA pathlib.Path turns :// into :/, so pass a str."
        found = "a URL needs ://", hint
    return found


def check_options(options: object) -> None:
    """Raise ConfigError if storage_options are not a mapping."""
    if not isinstance(options, Mapping):
        hint = "Pass what the driver takes by name, such as {'key': ..., 'secret': ...}."
        raise ConfigError(f"storage_options is a {type(options).__name__}, not a mapping", hint=hint)


class Mask:
    """Takes secrets out of what drivers say: called with an exception, it returns the text that may be shown.

    Parameters
    ----------
    url, options
        What the driver was given; user, password, what a query says, and every string and integer in the options are
        secret.

    Raises
    ------
    ConfigError
        The options are no mapping.

    Notes
    -----
    One of fewer than four characters is masked only where it stands as a word: "us" does not hide "because".
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        check_options(options)
        self._url = url
        self._options = options

    def __call__(self, error: BaseException) -> str:
        name, text = type(error).__name__, self.masked(str(error))
        return f"{name}: {escaped(text)}" if text else name

    def masked(self, text: str) -> str:
        """Return a text without colors and secrets; it may hold other control characters."""
        text = _COLOUR.sub("", text)
        pattern = self._pattern()
        return pattern.sub("***", text) if pattern else text

    def _pattern(self) -> re.Pattern[str] | None:
        url = self._url
        userinfo = _USERINFO.search(url)
        login = userinfo[0] if userinfo else ""
        query = _HTTP_QUERY.sub(lambda found: url[found.end(1) + 1 :], url) if _HTTP_QUERY.match(url) else ""
        # By "/" too: who takes the host part to end there says the parts of a password that has one in it.
        words = {*_strings(self._options), *re.split("[:@]", login), *re.split("[:@/]", login)} - {""}
        words |= {query, *(pair.partition("=")[2] for pair in query.split("&"))} - {""}
        forms = {form for word in words for form in _spellings(word)}
        ordered = sorted(forms, key=len, reverse=True)
        return re.compile("|".join(map(_found_by, ordered)), re.IGNORECASE) if ordered else None


def _spellings(word: str) -> tuple[str, ...]:
    """Ways in which a driver may say a word."""
    quoted = (quote(word, errors="replace"), quote(word, "", errors="replace"), quote_plus(word, errors="replace"))
    return (word, unquote(word), *quoted, repr(word)[1:-1])


def _found_by(form: str) -> str:
    if len(form) >= 4:  # noqa: PLR2004 (a shorter one is a part of many words, and the gaps would spell it out)
        return re.escape(form)
    return rf"{_WORD_BEGINS if form[0].isalnum() else ''}{re.escape(form)}{_WORD_ENDS if form[-1].isalnum() else ''}"


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, bytes) and value:
        yield value.decode("utf-8", "replace")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _strings(item)
