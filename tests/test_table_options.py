"""storage_options of tables by fsspec's names: what deltalake is given in their place."""

from __future__ import annotations

import json

import fsspec.config
import pytest
from cases import each

from explorer_frames._storage.object_store import to_object_store
from explorer_frames.errors import ConfigError

HTTP, HTTPS = "http://127.0.0.1:9000", "https://store"
SERVICE = {"type": "service_account", "client_email": "a@b", "private_key": "canary\nkey"}
AZURITE = "DefaultEndpointsProtocol=http;AccountName=dev;AccountKey=a2V5==;BlobEndpoint=http://127.0.0.1:1/dev;"
AZURE = "DefaultEndpointsProtocol=https;AccountName=dev;AccountKey=a2V5==;EndpointSuffix=core.windows.net"
SHARED = "BlobEndpoint=https://dev.blob.core.windows.net;SharedAccessSignature=sv=1&sig=x%3D"
VARIABLES = (
    *("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST"),
    "AZURE_STORAGE_CONNECTION_STRING",
)


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(fsspec.config, "conf", fsspec.config.conf)
    monkeypatch.setitem(fsspec.config.conf, "s3", {})


@each(
    ("url", "given", "sent"),
    [
        ("s3://b/t", {}, {}),
        (
            "s3://b/t",
            {"key": "k", "secret": "s", "token": "t"},
            {"aws_access_key_id": "k", "aws_secret_access_key": "s", "aws_session_token": "t"},
        ),
        ("s3a://b/t", {"username": "k", "password": "s"}, {"aws_access_key_id": "k", "aws_secret_access_key": "s"}),
        ("s3://b/t", {"endpoint_url": HTTPS}, {"aws_endpoint_url": HTTPS}),
        ("s3://b/t", {"endpoint_url": HTTP}, {"aws_endpoint_url": HTTP, "allow_http": "true"}),
        ("s3://b/t", {"AWS_ENDPOINT_URL": HTTP}, {"AWS_ENDPOINT_URL": HTTP, "allow_http": "true"}),
        (
            "s3://b/t",
            {"endpoint_url": HTTP, "AWS_ALLOW_HTTP": False},
            {"aws_endpoint_url": HTTP, "AWS_ALLOW_HTTP": "false"},
        ),
        (
            "s3://b/t",
            {"client_kwargs": {"endpoint_url": HTTPS, "region_name": "eu", "verify": False, "aws_session_token": None}},
            {"aws_endpoint_url": HTTPS, "aws_region": "eu", "allow_invalid_certificates": "true"},
        ),
        ("s3://b/t", {"anon": True, "use_ssl": False}, {"aws_skip_signature": "true", "allow_http": "true"}),
        ("s3://b/t", {"anon": False, "use_ssl": True}, {"aws_skip_signature": "false"}),
        (
            "s3://b/t",
            {
                "config_kwargs": {
                    "s3": {"addressing_style": "virtual"},
                    "connect_timeout": 5,
                    "signature_version": "s3v4",
                }
            },
            {"aws_virtual_hosted_style_request": "true", "connect_timeout": "5s"},
        ),
        (
            "s3://b/t",
            {"s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "id"}},
            {"aws_server_side_encryption": "aws:kms", "aws_sse_kms_key_id": "id"},
        ),
        (
            "s3://b/t",
            {"config_kwargs": {"region_name": "eu"}, "loop": None, "asynchronous": False},
            {"aws_region": "eu"},
        ),
        ("s3://b/t", {"use_listings_cache": False, "default_block_size": 5, "key": None}, {}),
        ("s3://b/t", {"key": "k", "AWS_ACCESS_KEY_ID": "mine"}, {"AWS_ACCESS_KEY_ID": "mine"}),
        (
            "s3://b/t",
            {"max_retries": 0, "timeout": 30, "allow_http": True},
            {"max_retries": "0", "timeout": "30s", "allow_http": "true"},
        ),
        ("gs://b/t", {"token": "anon", "project": "p"}, {"google_skip_signature": "true"}),
        ("gcs://b/t", {"token": "google_default"}, {}),
        ("gs://b/t", {"token": "cloud", "requester_pays": False}, {}),
        ("gs://b/t", {"token": "cache"}, {}),
        ("gs://b/t", {"token": SERVICE}, {"google_service_account_key": json.dumps(SERVICE)}),
        ("gs://b/t", {"token": __file__}, {"google_application_credentials": __file__}),
        ("gs://b/t", {"endpoint_url": HTTP}, {"google_base_url": HTTP, "allow_http": "true"}),
        (
            "abfs://c/t",
            {"account_name": "a", "account_key": "k", "anon": False},
            {"azure_storage_account_name": "a", "azure_storage_account_key": "k", "azure_skip_signature": "false"},
        ),
        (
            "abfss://c@a.dfs.core.windows.net/t",
            {"tenant_id": "t", "client_id": "i", "client_secret": "s"},
            {"azure_storage_tenant_id": "t", "azure_storage_client_id": "i", "azure_storage_client_secret": "s"},
        ),
        (
            "az://c/t",
            {"account_name": "a", "sas_token": "sv=1"},
            {"azure_storage_account_name": "a", "azure_storage_sas_token": "sv=1"},
        ),
        ("az://c/t", {"credential": "sv=1"}, {"azure_storage_sas_token": "sv=1"}),
        (
            "az://c/t",
            {"connection_string": AZURITE},
            {
                "azure_storage_account_name": "dev",
                "azure_storage_account_key": "a2V5==",
                "azure_storage_endpoint": "http://127.0.0.1:1/dev",
                "allow_http": "true",
            },
        ),
        (
            "az://c/t",
            {"connection_string": AZURE},
            {
                "azure_storage_account_name": "dev",
                "azure_storage_account_key": "a2V5==",
                "azure_storage_endpoint": "https://dev.blob.core.windows.net",
            },
        ),
        (
            "az://c/t",
            {"connection_string": "DefaultEndpointsProtocol=http;AccountName=dev;EndpointSuffix=local"},
            {
                "azure_storage_account_name": "dev",
                "azure_storage_endpoint": "http://dev.blob.local",
                "allow_http": "true",
            },
        ),
        (
            "az://c/t",
            {"connection_string": SHARED},
            {
                "azure_storage_account_name": "dev",
                "azure_storage_sas_token": "sv=1&sig=x%3D",
                "azure_storage_endpoint": "https://dev.blob.core.windows.net",
            },
        ),
        ("/folder/t", {"key": "k", "auto_mkdir": True, "session": object()}, {}),
        ("hdfs://host/t", {"dfs.replication": "3"}, {"dfs.replication": "3"}),
    ],
)
def test_names_of_fsspec_become_those_of_object_store(url, given, sent):
    assert to_object_store(url, given)[0] == sent


@each(
    ("url", "given", "said"),
    [
        ("s3://b/t", {"secert": "canary"}, "unknown storage option 'secert'\nDid you mean 'secret'"),
        ("s3://b/t", {"endpoint_ulr": "canary"}, "Did you mean 'endpoint_url'"),
        ("az://c/t", {"acount_key": "canary"}, "Did you mean 'account_key'"),
        ("s3://b/t", {"client_kwargs": {"canary": 1}}, "'client_kwargs.canary' has no equivalent"),
        ("s3://b/t", {"client_kwargs": {"verify": "/canary.pem"}}, "'client_kwargs.verify' cannot be translated"),
        ("s3://b/t", {"session": object()}, "'session' has type object"),
        ("az://c/t", {"credential": object()}, "'credential' has type object"),
        ("az://c/t", {"connection_string": 5}, "'connection_string' has type int"),
        (
            "gs://b/t",
            {"requester_pays": "canary"},
            "'requester_pays' cannot be translated: deltalake does not have this setting",
        ),
        ("gs://b/t", {"token": "canary"}, "'token' cannot be translated: deltalake supports only the path"),
        ("gs://b/t", {"token": {"type": "authorized_user"}}, "'token' cannot be translated"),
        ("s3://b/t", {5: "canary"}, "'5' has a name that is not a str"),
    ],
)
def test_options_without_an_equivalent_are_refused_by_name(url, given, said):
    with pytest.raises(ConfigError) as caught:
        to_object_store(url, given)
    assert said in str(caught.value)
    assert "canary" not in str(caught.value).replace("client_kwargs.canary", "")


def test_the_configuration_of_fsspec_and_the_environment_have_defaults(monkeypatch):
    monkeypatch.setitem(fsspec.config.conf, "s3", {"key": "configured", "secret": "s"})
    monkeypatch.setenv("AWS_ENDPOINT_URL", HTTPS)
    assert to_object_store("s3://b/t", {"key": "k"})[0] == {
        "aws_access_key_id": "k",
        "aws_secret_access_key": "s",
        "aws_endpoint_url": HTTPS,
    }
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", HTTP)
    assert to_object_store("s3://b/t", {})[0]["aws_endpoint_url"] == HTTP
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", AZURITE)
    assert to_object_store("az://c/t", {})[0]["azure_storage_account_name"] == "dev"


@each(("options", "variable"), [({"profile": "work"}, None), ({"AWS_PROFILE": "work"}, None), ({}, "work")])
def test_an_aws_profile_is_read_as_by_s3fs(tmp_path, monkeypatch, options, variable):
    pytest.importorskip("botocore")
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id=k\naws_secret_access_key=s\n")
    (tmp_path / "config").write_text(
        f"[profile work]\nregion=eu-west-1\nendpoint_url={HTTP}\n[profile empty]\nregion=x\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if variable:
        monkeypatch.setenv("AWS_PROFILE", variable)
    found = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "aws_region": "eu-west-1"}
    assert to_object_store("s3://b/t", options)[0] == {**found, "aws_endpoint_url": HTTP, "allow_http": "true"}
    assert to_object_store("s3://b/t", {**options, "key": "mine"})[0] == {"aws_access_key_id": "mine"}
    assert to_object_store("s3://b/t", {**options, "anon": True})[0] == {"aws_skip_signature": "true"}
    for profile in ("empty", "missing"):
        with pytest.raises(ConfigError, match="cannot use the AWS profile"):
            to_object_store("s3://b/t", {"profile": profile})


def test_requests_without_a_signature_are_anonymous():
    botocore = pytest.importorskip("botocore")
    options = {"config_kwargs": {"signature_version": botocore.UNSIGNED}}
    assert to_object_store("s3://b/t", options)[0] == {"aws_skip_signature": "true"}


def test_messages_show_settings_and_no_secrets():
    options = {"key": "canary-key", "secret": "canary-s", "endpoint_url": HTTP, "max_retries": 0, "token": "canary-t"}
    _, mask = to_object_store("s3://b/t", options)
    assert mask.masked(f"{HTTP} canary-key canary-s canary-t true") == f"{HTTP} *** *** *** true"
    _, mask = to_object_store("s3://b/t", {"endpoint_url": "http://ann:canary@host", "secret": 1234})
    assert mask.masked("http://ann:canary@host 1234") == "http://***:***@host ***"
    _, mask = to_object_store("az://c/t", {"connection_string": AZURITE})
    assert "a2V5" not in mask.masked("key a2V5== of dev")
    _, mask = to_object_store("gs://b/t", {"token": SERVICE})
    assert "canary" not in mask.masked(json.dumps(SERVICE))
