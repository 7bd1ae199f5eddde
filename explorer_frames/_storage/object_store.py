"""Translate fsspec's storage_options for object_store, which deltalake uses."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from fsspec.config import conf

from explorer_frames._errors import escaped
from explorer_frames._extras import package
from explorer_frames._secrets import is_secret_name
from explorer_frames._signals import failures
from explorer_frames._storage.address import LOCAL, Mask, check_options, secrets_of_url, shown_url
from explorer_frames._storage.schemes import scheme_of
from explorer_frames.errors import ConfigError

_Convert: TypeAlias = Callable[[Any], dict[str, Any]]


def _allowing_http(value: object) -> dict[str, Any]:
    return {} if value else {"allow_http": True}


def _verifying(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"allow_invalid_certificates": not value}
    raise ValueError("deltalake uses only the operating system's certificates")


def _unsigned(value: object) -> dict[str, Any]:
    is_anonymous = type(value).__module__.startswith("botocore")  # botocore.UNSIGNED, which is not a string
    return {"aws_skip_signature": True} if is_anonymous else {}


def _unsupported(value: object) -> dict[str, Any]:
    if value:
        raise ValueError("deltalake does not have this setting")
    return {}


def _with_gcs_token(value: Any) -> dict[str, Any]:
    if value in ("google_default", "cloud", "cache"):
        return {}  # deltalake uses these credentials by default
    if value == "anon":
        return {"google_skip_signature": True}
    if isinstance(value, Mapping) and value.get("type", "service_account") == "service_account":
        return {"google_service_account_key": json.dumps(dict(value))}
    if isinstance(value, str | os.PathLike) and os.path.isfile(value):  # noqa: PTH113 (pathlib raises for invalid names)
        return {"google_application_credentials": os.fspath(value)}
    raise ValueError("deltalake supports only the path of a credentials file, the dict of a service account, or 'anon'")


def _with_connection_string(value: str) -> dict[str, Any]:
    parts = {name.lower(): text for name, _, text in (part.partition("=") for part in value.split(";"))}
    account = parts.get("accountname")
    endpoint = parts.get("blobendpoint")
    if endpoint is None and account and "endpointsuffix" in parts:
        protocol = parts.get("defaultendpointsprotocol", "https")
        endpoint = f"{protocol}://{account}.blob.{parts['endpointsuffix']}"
    host = re.match(r"https?://([a-z0-9]+)\.", endpoint or "")
    return {
        "azure_storage_account_name": account or (host and host[1]),
        "azure_storage_account_key": parts.get("accountkey"),
        "azure_storage_sas_token": parts.get("sharedaccesssignature"),
        "azure_storage_endpoint": endpoint,
    }


# These dicts map option names of fsspec's drivers to those of deltalake. Periods separate nested names.
_S3: dict[str, str | _Convert] = {
    **dict.fromkeys(("key", "username", "client_kwargs.aws_access_key_id"), "aws_access_key_id"),
    **dict.fromkeys(("secret", "password", "client_kwargs.aws_secret_access_key"), "aws_secret_access_key"),
    **dict.fromkeys(("token", "client_kwargs.aws_session_token"), "aws_session_token"),
    **dict.fromkeys(("endpoint_url", "client_kwargs.endpoint_url"), "aws_endpoint_url"),
    **dict.fromkeys(("client_kwargs.region_name", "config_kwargs.region_name"), "aws_region"),
    **dict.fromkeys(("use_ssl", "client_kwargs.use_ssl"), _allowing_http),
    "anon": "aws_skip_signature",
    "profile": "aws_profile",
    "requester_pays": "aws_request_payer",
    "client_kwargs.verify": _verifying,
    "config_kwargs.signature_version": _unsigned,
    "config_kwargs.s3.addressing_style": lambda style: {"aws_virtual_hosted_style_request": style == "virtual"},
    "config_kwargs.connect_timeout": "connect_timeout",
    "s3_additional_kwargs.ServerSideEncryption": "aws_server_side_encryption",
    "s3_additional_kwargs.SSEKMSKeyId": "aws_sse_kms_key_id",
    "s3_additional_kwargs.BucketKeyEnabled": "aws_sse_bucket_key_enabled",
}
_GCS: dict[str, str | _Convert] = {
    "token": _with_gcs_token,
    "endpoint_url": "google_base_url",
    "requester_pays": _unsupported,
}
_AZURE: dict[str, str | _Convert] = {
    "account_name": "azure_storage_account_name",
    "account_key": "azure_storage_account_key",
    **dict.fromkeys(("sas_token", "credential"), "azure_storage_sas_token"),  # only str values are supported
    "client_id": "azure_storage_client_id",
    "client_secret": "azure_storage_client_secret",
    "tenant_id": "azure_storage_tenant_id",
    "anon": "azure_skip_signature",
    "account_host": lambda host: {"azure_storage_endpoint": f"https://{host}"},
    "connection_string": _with_connection_string,
    "connection_timeout": "connect_timeout",
}


class _Store(NamedTuple):
    """Option names and defaults of one kind of store."""

    names: Mapping[str, str | _Convert]
    protocols: tuple[str, ...]  # keys of the driver's defaults in fsspec's configuration
    # Maps environment variables that fsspec's driver reads, and deltalake does not, to option names. If two variables
    # set the same option, the last one is used.
    variables: Mapping[str, str]


# Keys are the package extras that install the drivers.
_STORES = {
    "s3": _Store(_S3, ("s3", "s3a"), {"AWS_ENDPOINT_URL": "endpoint_url", "AWS_ENDPOINT_URL_S3": "endpoint_url"}),
    "gcs": _Store(_GCS, ("gs", "gcs"), {"STORAGE_EMULATOR_HOST": "endpoint_url"}),
    "azure": _Store(_AZURE, ("abfs", "az", "abfss"), {"AZURE_STORAGE_CONNECTION_STRING": "connection_string"}),
}
_OTHER = _Store({}, (), {})
# These options tune fsspec's drivers. They are ignored, because they affect neither the location nor the credentials.
_TUNING = {
    *("asynchronous", "loop", "skip_instance_cache", "use_listings_cache", "listings_expiry_time", "max_paths"),
    *("default_block_size", "default_fill_cache", "default_cache_type", "cache_regions", "version_aware"),
    *("max_concurrency", "fixed_upload_size", "local_expiry_check", "block_size", "blocksize", "batch_size"),
    *("project", "access", "consistency", "cache_timeout", "secure_serialize", "check_connection", "default_location"),
    *("requests_timeout", "socket_timeout", "read_timeout", "location_mode", "assume_container_exists"),
    *("config_kwargs.read_timeout", "config_kwargs.max_pool_connections", "auto_mkdir"),
}
_PROFILE = ("aws_profile", "profile")
_NATIVE = re.compile("aws_|google_|azure_", re.IGNORECASE)
_SECONDS = {"timeout", "connect_timeout"}
_SIMILAR = 0.82  # minimum similarity for an unknown name to be treated as a misspelling
# These options contain no secrets. The set includes nested options and the mappings that contain them.
_SETTINGS = {
    *(option.rpartition(".")[2] for option in _TUNING),
    *(part for store in _STORES.values() for option in store.names for part in option.split(".")),
    *("host", "hostname", "port", "user", "protocol", "timeout", "retries", "max_attempts", "mode", "encoding", "tls"),
    *("base_url", "location", "region", "verify_ssl", "verify", "proxy", "proxies", "http", "https"),
}


def to_object_store(url: str, options: object) -> tuple[dict[str, str], Mask]:
    """Translate storage_options for deltalake and return them with a mask."""
    check_options(options)
    scheme, separator, _ = url.partition("://")
    if not separator or scheme in LOCAL:
        return {}, Mask(url, {})  # fsspec also ignores options for local files
    store = _STORES.get(scheme_of(url).extra or "", _OTHER)
    variables = {name: os.environ[key] for key, name in store.variables.items() if os.environ.get(key)}
    sources = [variables, *(conf.get(protocol, {}) for protocol in store.protocols), options]
    translated: dict[str, str] = {}
    native: dict[str, str] = {}
    for source in sources:
        for name, value in _leaves(source, store):
            if name in store.names:
                translated |= _translated(name, value, store)
            elif name not in _TUNING:
                _check_name(name, store)
                native |= _translated(name, value, store)
    # Options with names of object_store take precedence.
    known = {name.lower() for name in native}
    sent = {**{name: text for name, text in translated.items() if name not in known}, **native}
    if store.names is _S3:
        sent = _with_profile(sent, url)
    _allow_http(sent)
    return sent, Mask(url, {"given": sources, "sent": sent})


def _leaves(options: Mapping[Any, Any], store: _Store, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each option that has a value. Nested names are joined with a period."""
    for key, value in options.items():
        name = f"{prefix}{key}"
        if not isinstance(key, str):
            raise _refusal(name, "has a name that is not a str")
        if isinstance(value, Mapping) and name not in store.names:
            yield from _leaves(value, store, f"{name}.")
        elif prefix and name not in {*store.names, *_TUNING}:
            raise _refusal(name, "has no equivalent in deltalake")
        elif value is not None:
            yield name, value


def _translated(name: str, value: Any, store: _Store) -> dict[str, str]:
    """Translate one option. Names that fsspec's driver does not use are kept."""
    row = store.names.get(name, name)
    try:
        options = {row: value} if isinstance(row, str) else row(value)
        return {key: _as_text(key, item) for key, item in options.items() if item is not None}
    except (TypeError, AttributeError):
        reason = f"has type {type(value).__name__}, which deltalake does not support"
    except ValueError as raised:
        reason = f"cannot be translated: {escaped(raised)}"
    raise _refusal(name, reason)


def _as_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value}s" if name.lower() in _SECONDS else str(value)
    if isinstance(value, str):
        return value
    raise TypeError


def _check_name(name: str, store: _Store) -> None:
    """Raise ConfigError for a misspelled name, which deltalake would ignore."""
    similar = [] if _NATIVE.match(name) else difflib.get_close_matches(name, store.names, 1, _SIMILAR)
    if similar:
        raise ConfigError(f"unknown storage option {escaped(name, 60)!r}", hint=f"Did you mean {similar[0]!r}?")


def _refusal(name: str, what: str) -> ConfigError:
    hint = "Remove the option, or pass it under its name in object_store, such as AWS_REGION."
    return ConfigError(f"the storage option {escaped(name, 60)!r} {what}", hint=hint)


def _with_profile(sent: dict[str, str], url: str) -> dict[str, str]:
    """Add the settings of the AWS profile unless credentials are given."""
    # deltalake does not read profile files.
    lower = {name.lower(): text for name, text in sent.items()}
    rest = {name: text for name, text in sent.items() if name.lower() not in _PROFILE}
    profile = lower.get("aws_profile") or lower.get("profile") or os.environ.get("AWS_PROFILE")
    has_keys = bool(lower.keys() & {"aws_access_key_id", "access_key_id"})
    is_anonymous = "true" in {lower.get(name) for name in ("aws_skip_signature", "skip_signature")}
    if has_keys or is_anonymous or not profile:
        return rest
    return {**_of_profile(profile, url), **rest}


def _of_profile(profile: str, url: str) -> dict[str, str]:
    """Read an AWS profile with botocore, as s3fs does."""
    botocore = package("botocore.session", "s3")
    try:
        session = botocore.Session(profile=profile)
        keys = session.get_credentials().get_frozen_credentials()
        values = {
            "aws_access_key_id": keys.access_key,
            "aws_secret_access_key": keys.secret_key,
            "aws_session_token": keys.token,
            "aws_region": session.get_config_variable("region"),
            "aws_endpoint_url": session.get_scoped_config().get("endpoint_url"),
        }
    except failures(Exception) as raised:  # botocore or a profile's credential program can raise any exception
        problem = "it has no credentials" if isinstance(raised, AttributeError) else escaped(raised)
    else:
        return {name: text for name, text in values.items() if text}
    hint = "Check the AWS configuration files, or pass key and secret in storage_options=."
    raise ConfigError(f"cannot use the AWS profile: {problem}", where=shown_url(url), hint=hint)


def _allow_http(sent: dict[str, str]) -> None:
    """Allow HTTP if an endpoint is an http:// URL."""
    endpoints = [text for name, text in sent.items() if name.lower().endswith(("endpoint", "endpoint_url", "base_url"))]
    is_plain = any(text.lower().startswith("http://") for text in endpoints)
    if is_plain and not {"allow_http", "aws_allow_http"} & {name.lower() for name in sent}:
        sent["allow_http"] = "true"


def options_to_withhold(options: Mapping[str, Any]) -> list[str]:
    """Return the names of all options except known settings with plain values.

    Examples
    --------
    >>> options_to_withhold({"anon": False, "client_kwargs": {"region_name": "eu", "jwt": "x"}})
    ['jwt']
    """
    withheld = []
    for name, value in options.items():
        if name not in _SETTINGS or is_secret_name(name) or not (isinstance(value, Mapping) or _is_plain(value)):
            withheld.append(str(name))
        elif isinstance(value, Mapping):
            withheld += options_to_withhold(value)
    return withheld


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, bool | int | float | None) or (isinstance(value, str) and not any(secrets_of_url(value)))
