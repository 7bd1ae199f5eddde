"""Profiles: argument > environment > profile, each for its own server, and no secret shown."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from cases import each

from explorer_frames import Explorer, read_sample_result
from explorer_frames._http import profiles
from explorer_frames.errors import ConfigError, ConfigFileWarning

CANARY = "c4naryS3cret"
TWO = f"""
[default]
url = "http://default:1"
token = "{CANARY}-default"
row_cap = 500

[production]
url = "https://production:2/prefix/"
user = "ann"
password = "{CANARY}"
graphd = "graphd:9669"
auth_encoding = "json"
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write a config file where it is looked for; returns its path."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(profiles, "_warned", set())
    path = tmp_path / "explorer_frames" / "config.toml"
    path.parent.mkdir()

    def write(content: str | bytes, mode: int = 0o600) -> Path:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    return write


def known(explorer) -> tuple[object, ...]:
    settings, credentials = explorer._settings, explorer._credentials
    secret = credentials.token or credentials.password
    return settings.url, credentials.user, secret.reveal(), credentials.auth_encoding, settings.row_cap


def refused(**options) -> str:
    with pytest.raises(ConfigError) as caught:
        Explorer(**options)
    assert CANARY not in str(caught.value)
    return str(caught.value)


DEFAULT = ("http://default:1", None, f"{CANARY}-default", "auto", 500)
PRODUCTION = ("https://production:2/prefix", "ann", CANARY, "json", None)


def test_a_profile_is_the_default_one_or_that_of_the_variable_or_of_the_argument(config, monkeypatch):
    config(TWO)
    assert known(Explorer()) == DEFAULT
    assert known(Explorer(profile="production")) == PRODUCTION
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "production")
    assert known(Explorer()) == PRODUCTION
    assert known(Explorer(profile="default")) == DEFAULT


def test_an_argument_comes_before_the_environment_and_that_before_the_profile(config, monkeypatch):
    config(TWO)
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "production")
    monkeypatch.setenv("EXPLORER_FRAMES_USER", "bob")
    monkeypatch.setenv("EXPLORER_FRAMES_ROW_CAP", "7")
    assert known(Explorer()) == ("https://production:2/prefix", "bob", CANARY, "json", 7)
    cai = Explorer(user="cai", row_cap=9, auth_encoding="colon")
    empty = Explorer(url="", user="", graphd="")
    assert known(empty) == known(Explorer()), "as scripts pass them"
    assert known(cai) == ("https://production:2/prefix", "cai", CANARY, "colon", 9)
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", "of-environment")
    assert known(Explorer()) == ("https://production:2/prefix", None, "of-environment", "auto", 7)


def test_a_profile_that_is_passed_comes_before_the_environment(config, monkeypatch):
    config(TWO)
    for name, value in {"URL": "http://elsewhere:3", "TOKEN": "of-environment", "GRAPHD": "other:1"}.items():
        monkeypatch.setenv(f"EXPLORER_FRAMES_{name}", value)
    explorer = Explorer(profile="production")
    assert known(explorer) == PRODUCTION
    assert explorer._credentials.graphd == ("graphd", 9669)
    config('[production]\nurl = "https://production:2"\n')
    message = refused(profile="production")
    assert "different url: environment." in message, "the token is not sent there"
    monkeypatch.setenv("EXPLORER_FRAMES_URL", "https://production:2/")
    assert known(Explorer(profile="production"))[2] == "of-environment"


def test_the_environment_completes_a_profile(config, monkeypatch):
    config('[a]\nurl = "http://a:1"\nuser = "ann"\ngraphd = "g:1"\n')
    assert "a login also requires password" in refused(profile="a")
    monkeypatch.setenv("EXPLORER_FRAMES_PASSWORD", "of-environment")
    assert known(Explorer(profile="a"))[2] == "of-environment"
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "a")
    assert known(Explorer())[2] == "of-environment"


@each("how", ["argument", "variable"])
def test_no_secret_of_a_profile_is_for_another_server(config, monkeypatch, how):
    path = config(TWO)
    options = {}
    if how == "argument":
        options = {"url": "http://elsewhere:3"}
    else:
        monkeypatch.setenv("EXPLORER_FRAMES_URL", "http://elsewhere:3")
    message = refused(**options)
    assert f"different url: profile 'default' in {path}." in message
    explorer = Explorer(**options, token="mine")
    assert known(explorer) == ("http://elsewhere:3", None, "mine", "auto", None)


@each(
    ("url", "other", "is_same"),
    [
        ("http://default:1", "HTTP://DEFAULT:1/", True),
        ("http://a", "http://a:80/api-open/v1/", True),
        ("https://a:443/", "https://A", True),
        ("https://a/prefix", "https://a:443/prefix/api-open/v1", True),
        ("https://a/prefix", "https://a/PREFIX", False),
        ("https://a/prefix", "https://a", False),
        ("http://a", "https://a", False),
        ("http://a:443", "https://a:443", False),
        ("http://a", "http://a:7002", False),
        ("http://a", "http://a.example", False),
        ("http://[::1]:7002", "http://[::1]:7002/", True),
        ("http://a", "http://[", False),
    ],
)
def test_a_url_is_compared_as_that_of_a_server(config, url, other, is_same):
    config(f'[default]\nurl = "{other}"\ntoken = "t"\n')
    if is_same:
        assert known(Explorer(url))[2] == "t"
    else:
        assert "different url" in refused(url=url)


def test_without_a_file_or_a_default_profile_nothing_changes(config):
    assert "missing url" in refused()
    config('[other]\nurl = "http://a:1"\ntoken = "t"\n')
    assert "missing url" in refused()
    assert known(Explorer("http://b:1", token="t"))[0] == "http://b:1"


@each(
    ("profile", "said"),
    [
        (
            "prodution",
            [
                "profile 'prodution' does not exist",
                "Did you mean 'production'?",
                "Known profiles: default, production.",
            ],
        ),
        ("", ["profile '' does not exist"]),
        ("PRODUCTION", ["profile 'PRODUCTION' does not exist", "Did you mean 'production'?"]),
        ("\x1b[2J", ["profile '\\\\x1b[2J' does not exist"]),
        ("production.east", ["profile 'production.east' does not exist", "Did you mean 'production'?", '["a.b"]']),
        (5, ["profile must be a str, got 5"]),
    ],
)
def test_an_unknown_profile_is_named_with_those_that_are_close(config, profile, said):
    path = config(TWO)
    message = refused(profile=profile)
    assert all(text in message for text in said)
    assert profile == 5 or str(path) in message


def test_profiles_that_differ_in_case_are_all_named_and_not_thousands(config):
    config("[Prod]\n[prod]\n[other]\n")
    assert "Did you mean 'Prod' or 'prod'? Known profiles: Prod, prod, other." in refused(profile="PROD")
    config("".join(f"[a{number}]\n" for number in range(1000)))
    assert len(refused(profile="b")) < 1500


@each(
    ("content", "said"),
    [
        (f'[default]\nusr = "{CANARY}"', ["profile 'default'", "unknown key 'usr'", "Did you mean 'user'", "graphd"]),
        ("[default]\nURL = 'http://a'", ["unknown key 'URL'", "Did you mean 'url'?"]),
        (f'[default]\n{CANARY[:4]} = "{CANARY}"', ["unknown key 'c4na'", "Known keys: url, token"]),
        ("[default]\npassword = 12345678", ["password must be a non-empty string in quotes"]),
        ("[default]\nurl = ''", ["url must be a non-empty string in quotes"]),
        ("[default]\nrow_cap = '5'", ["row_cap must be a positive integer"]),
        ("[default]\nrow_cap = true", ["row_cap must be a positive integer"]),
        ("[default]\nrow_cap = -1\nurl = 'http://a'", ["row_cap of profile 'default' in ", " must be a positive integer"]),
        ("[default]\nurl = 'nonsense'", ["invalid url", "url of profile 'default'"]),
        ("[default]\nurl = 'http://a'\nuser = 'u'\npassword = 'p'\ngraphd = 'g'", ["graphd of profile 'default'", "host:port"]),
        ("[default]\nurl = 'http://a'\ntoken='t'\nauth_encoding = 'x'", ["auth_encoding of profile 'default' in ", "must be 'auto'"]),
        ("[default]\nurl = 'http://a'\nca_bundle = 'no.pem'", ["ca_bundle of profile 'default' in ", ": certificate file"]),
        ("[default]\nurl = 'http://a'\nclient_key = 'k.pem'", ["client_key of profile 'default' in ", " is set without client_cert"]),
        (f"[default]\ntoken = {CANARY}", ["not valid TOML at line 2", "Put strings in quotes"]),
        (f'[default]\ntoken = "{CANARY}', ["not valid TOML"]),
        ('[default]\nca_bundle = "C:\\certs\\ca.pem"', ["not valid TOML at line 2", "in single quotes"]),
        (f"token = '{CANARY}'", ["key 'token' is not in a profile", "[default]"]),
        (f"[[default]]\ntoken = '{CANARY}'", ["key 'default' is not in a profile"]),
        (b"[default]\nuser = '\xff'", ["not valid UTF-8"]),
        ("[default]\n[a]\n[default]\n", ["not valid TOML at line 3", "a [name] line"]),
        (f"[default.east]\ntoken = '{CANARY}'", ["profile 'default'", "unknown key 'east'", '["a.b"]']),
        (f"[default.token]\na = '{CANARY}'", ["token must be a non-empty string in quotes"]),
        (f"[default]\ntoken = ['{CANARY}']", ["token must be a non-empty string in quotes"]),
        ("[default]\nrow_cap = 1.5", ["row_cap must be a positive integer"]),
        ("a = " + "[" * 9_999, ["not valid TOML"]),
        ("[default]\nrow_cap = " + "9" * 5_000, ["not valid TOML"]),
    ],
)  # fmt: skip
def test_invalid_config_file_error_does_not_contain_values(config, content, said):
    path = config(content)
    message = refused()
    assert all(text in message for text in said), message
    assert str(path) in message


@each("text", ["-1", "1_000", "1.5", "9" * 5000])
def test_a_row_cap_of_the_environment_that_is_not_a_number_is_refused(monkeypatch, text):
    monkeypatch.setenv("EXPLORER_FRAMES_ROW_CAP", text)
    assert "EXPLORER_FRAMES_ROW_CAP must be a positive integer, got '" in refused(url="http://a", token="t")


def test_errors_in_unused_profiles_are_ignored(config):
    config(TWO + '\n[broken]\nnope = "x"\n')
    assert known(Explorer()) == DEFAULT


def test_a_byte_order_mark_of_windows_is_skipped(config):
    config(b"\xef\xbb\xbf" + TWO.encode())
    assert known(Explorer()) == DEFAULT


def test_paths_in_a_profile_are_relative_to_the_file_or_to_the_home(config, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "ca.pem").touch()
    path = config(
        '[a]\nurl = "https://a"\ntoken = "t"\nca_bundle = "~/ca.pem"\nclient_cert = "me.pem"\nclient_key = "k.pem"'
    )
    (path.parent / "me.pem").touch()
    (path.parent / "k.pem").touch()
    settings = Explorer(profile="a")._settings
    assert settings.verify == str(tmp_path / "ca.pem")
    assert settings.client_cert == (str(path.parent / "me.pem"), str(path.parent / "k.pem"))
    assert Explorer(profile="a", verify=False)._settings.verify is False
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "a")
    monkeypatch.setenv("EXPLORER_FRAMES_CLIENT_KEY", __file__)
    assert Explorer()._settings.client_cert == settings.client_cert, "the key of another place is not for it"


def test_the_file_is_where_the_system_keeps_such_files(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("APPDATA", raising=False)
    ends = ("explorer_frames", "config.toml")
    assert profiles.config_file() == Path(os.environ["XDG_CONFIG_HOME"], *ends)
    for unset in ("", "relative/path"):
        monkeypatch.setenv("XDG_CONFIG_HOME", unset)
        assert profiles.config_file() == tmp_path.joinpath(".config", *ends)
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    monkeypatch.setattr(profiles, "_WINDOWS", True)
    assert profiles.config_file() == tmp_path.joinpath("roaming", *ends)
    monkeypatch.setenv("EXPLORER_FRAMES_CONFIG_FILE", "~/mine.toml")
    assert profiles.config_file() == tmp_path / "mine.toml"


def test_a_file_or_a_profile_that_was_named_must_exist(config, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_FRAMES_CONFIG_FILE", str(tmp_path / "nope.toml"))
    message = refused(token="t")
    assert f"profile 'default' does not exist [{tmp_path / 'nope.toml'}]" in message
    assert "Add the profile, or set EXPLORER_FRAMES_CONFIG_FILE to another path." in message
    assert "Correct EXPLORER_FRAMES_CONFIG_FILE, or unset it." in message
    assert "profile 'a' does not exist" in refused(url="http://a", token="t", profile="a")
    other = tmp_path / "other.toml"
    other.write_text('[default]\nurl = "http://other:1"\n')
    monkeypatch.setenv("EXPLORER_FRAMES_CONFIG_FILE", str(other))
    assert known(Explorer(token="t"))[0] == "http://other:1"
    monkeypatch.setenv("EXPLORER_FRAMES_CONFIG_FILE", os.devnull)
    assert "missing url" in refused(token="t")
    monkeypatch.setenv("EXPLORER_FRAMES_CONFIG_FILE", str(tmp_path / ("a" * 5000)))
    assert "profile 'default' does not exist" in refused(token="t")


@pytest.mark.parametrize("variable", ["EXPLORER_FRAMES_PROFILE", "EXPLORER_FRAMES_CONFIG_FILE"])
def test_a_variable_that_names_no_profile_matters_only_without_a_url_and_credentials(config, monkeypatch, variable):
    config(TWO)
    monkeypatch.setenv(variable, "nope")
    assert known(Explorer("http://a:1", token="t"))[:3] == ("http://a:1", None, "t")
    for options in ({"url": "http://a:1"}, {"url": "http://a:1", "user": "ann"}, {"token": "t"}, {}):
        message = refused(**options)
        assert "' does not exist [" in message
        assert f"Correct {variable}, or unset it." in message


def test_doctor_warns_of_a_variable_that_names_no_profile(cli, config, monkeypatch):
    config(TWO)
    monkeypatch.setattr("explorer_frames._doctor.server.CHECKS", ())
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "prod")
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", CANARY)
    state, _, hint = configuration(cli, "--url", "http://a:1")
    assert state == "warning"
    assert "profile 'prod' does not exist [" in hint
    assert "Known profiles: default, production. Correct EXPLORER_FRAMES_PROFILE, or unset it." in hint


def test_a_config_file_that_is_a_folder_or_unreadable_is_named(config, monkeypatch, tmp_path):
    path = config(TWO)
    path.unlink()
    path.mkdir()
    message = refused(url="http://a", token="t")
    assert "cannot read the config file: " in message
    assert f"[{path}]" in message


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_file_with_secrets_that_others_can_read_is_warned_about_once(config):
    path = config(TWO, 0o644)
    with pytest.warns(ConfigFileWarning, match="chmod 600") as caught:
        Explorer(profile="production")
    assert caught[0].filename == __file__
    assert str(path) in str(caught[0].message)
    assert CANARY not in str(caught[0].message)
    Explorer()
    profiles._warned.clear()
    config(TWO, 0o640)
    with pytest.warns(ConfigFileWarning):
        Explorer()
    profiles._warned.clear()
    config('[default]\nurl = "http://a"\nuser = "ann"\n', 0o644)
    Explorer(token="t")
    config(TWO, 0o644)
    for _ in range(2):
        with warnings.catch_warnings(action="error"), pytest.raises(ConfigFileWarning):
            Explorer()


def test_a_pickled_explorer_reads_the_secret_of_its_profile_where_it_arrives(config, sandbox, tmp_path):
    job, task = sandbox.add_result([["a"], ["1.5"]])
    config(f'[a]\nurl = "{sandbox.url}"\ntoken = "{sandbox.token}"\n')
    explorer = Explorer(profile="a")
    assert "profile" in repr(explorer._credentials.token)
    cargo = pickle.dumps(explorer)
    assert sandbox.token.encode() not in cargo
    code = "import pickle, sys\nprint(pickle.load(sys.stdin.buffer).read_sample_result(*sys.argv[1:])['id'].tolist())"
    done = subprocess.run([sys.executable, "-c", code, str(job), task], input=cargo, capture_output=True, check=False)
    assert done.stdout.decode().strip() == "['a']", done.stderr.decode()
    config("")
    with pytest.raises(ConfigError, match="profile 'a' does not exist"):
        pickle.loads(cargo).read_sample_result(job, task)
    config("[a]\n")
    with pytest.raises(ConfigError, match="token must be a non-empty"):
        pickle.loads(cargo).read_sample_result(job, task)
    before = len(sandbox.requests)
    path = config(f'[a]\nurl = "http://127.0.0.1:9"\ntoken = "{CANARY}"\n')
    with pytest.raises(ConfigError, match="url of the profile changed") as caught:
        pickle.loads(cargo).read_sample_result(job, task)
    assert f"profile 'a' in {path}" in caught.value.where
    assert len(sandbox.requests) == before, "no secret goes to a server that its profile does not name"


@pytest.mark.parametrize("name", ["default", "q"])
def test_a_secret_without_a_url_goes_to_no_server(config, name):
    config(f'[{name}]\ntoken = "{CANARY}"\n')
    with pytest.raises(ConfigError, match="no url"):
        Explorer("http://localhost:9", profile=name)


def test_functions_use_the_profile_of_the_environment(config, sandbox, monkeypatch):
    job, task = sandbox.add_result([["a"], ["1.5"]])
    config(
        f'[default]\nurl = "http://localhost:9"\ntoken = "t"\n[a]\nurl = "{sandbox.url}"\ntoken = "{sandbox.token}"\n'
    )
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "a")
    assert read_sample_result(job, task)["id"].tolist() == ["a"]
    config(f'[a]\nurl = "http://localhost:9"\ntoken = "{CANARY}"\n')
    with pytest.raises(ConnectionError):
        read_sample_result(job, task)


def test_the_command_line_takes_a_profile_anywhere(cli, config, sandbox, monkeypatch):
    job, task = sandbox.add_result([["a"], ["1.5"]])
    config(f'[a]\nurl = "{sandbox.url}"\ntoken = "{sandbox.token}"\n')
    for line in (("--profile", "a", "read", job, task), ("read", job, task, "--profile=a")):
        assert cli(*line).rows[-1] == ["a", "1.5"]
    done = cli("jobs", "--profile", "b")
    assert (done.code, done.is_short) == (2, True)
    assert "Did you mean 'a'?" not in done.err
    assert "Known profiles: a." in done.err
    assert "profile 'a' in " in cli("doctor", "--profile", "a").out
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "a")
    assert cli("read", job, task).code == 0
    config("[a]\nusr = 1")
    done = cli("doctor", "--json")
    assert done.code == 1
    assert "unknown key 'usr'" in done.out


def test_the_command_line_asks_for_the_password_of_a_profile(cli, config, sandbox, monkeypatch):
    config(f'[a]\nurl = "{sandbox.url}"\nuser = "{sandbox.user}"\ngraphd = "{sandbox.graphd}"\n')
    asked = []
    monkeypatch.setattr("explorer_frames.cli._connection.is_terminal", lambda _: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or sandbox.password)
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", "of another server")
    assert cli("jobs", "--profile", "a").code == 0
    assert asked == [f"Password for {sandbox.user}: "]
    monkeypatch.setenv("EXPLORER_FRAMES_PASSWORD", sandbox.password)
    assert cli("jobs", "--profile", "a").code == 0
    assert len(asked) == 1


def test_the_options_of_certificates_reach_the_explorer(cli, tmp_path):
    connection = ("--url", "https://localhost:9", "--client-key", "k.pem")
    done = cli("jobs", *connection)
    assert done.code == 2
    assert "--client-key requires --client-cert" in done.err
    done = cli("jobs", *connection, "--client-cert", tmp_path / "no.pem")
    assert (done.code, done.is_short) == (2, True)
    assert "client_cert: certificate file" in done.err


# --- what doctor says of it


def configuration(cli, *options):
    found = [one for one in cli("doctor", "--json", *options).json["findings"] if one["name"] == "configuration"]
    assert CANARY not in str(found)
    return found[-1]["state"], found[-1]["what"], found[-1]["hint"] or ""


def test_doctor_names_the_place_that_each_setting_comes_from(cli, config, monkeypatch):
    place = f"profile 'production' in {config(TWO)}"
    monkeypatch.setattr("explorer_frames._doctor.server.CHECKS", ())
    for name, value in {"URL": "http://elsewhere:3", "GRAPHD": "g:1", "DEBUG": "0", "PROFILE": "default"}.items():
        monkeypatch.setenv(f"EXPLORER_FRAMES_{name}", value)
    _, what, _ = configuration(cli, "--profile", "production", "--user", "bob", "--deadline", "9")
    assert what == (
        "arguments: deadline, user; environment: EXPLORER_FRAMES_DEBUG; "
        f"{place}: url, password, graphd, auth_encoding; ignored because of a different url: environment"
    )
    monkeypatch.setenv("EXPLORER_FRAMES_URL", "https://Production:2/prefix")
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "production")
    state, what, _ = configuration(cli)
    assert state == "ok"
    assert what == (
        "environment: EXPLORER_FRAMES_DEBUG, EXPLORER_FRAMES_PROFILE, EXPLORER_FRAMES_URL, EXPLORER_FRAMES_GRAPHD; "
        f"{place}: user, password, auth_encoding"
    )


def test_a_token_that_hides_a_login_or_the_reverse_is_named(cli, config, monkeypatch):
    place = f"profile 'production' in {config(TWO)}"
    monkeypatch.setattr("explorer_frames._doctor.server.CHECKS", ())
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "production")
    monkeypatch.setenv("EXPLORER_FRAMES_TOKEN", CANARY)
    state, what, hint = configuration(cli)
    assert (state, "user" in what) == ("warning", False)
    assert f"Remove EXPLORER_FRAMES_TOKEN to use user of {place}, password of {place}" in hint
    assert configuration(cli, "--profile", "production")[0] == "ok", "a profile that is passed decides"
    monkeypatch.delenv("EXPLORER_FRAMES_TOKEN")
    assert configuration(cli)[0] == "ok"
    monkeypatch.setenv("EXPLORER_FRAMES_PROFILE", "default")
    monkeypatch.setenv("EXPLORER_FRAMES_USER", "bob")
    hint = configuration(cli)[2]
    assert "Remove EXPLORER_FRAMES_USER to use token of profile 'default' in " in hint, "also in the error"
    assert "Remove EXPLORER_FRAMES_USER to use token of profile 'default' in " in refused()


# --- certificates of the environment


def test_certificates_of_the_environment_are_found_and_named(monkeypatch, tmp_path):
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    options = {"url": "https://a", "token": "t"}
    monkeypatch.setenv("EXPLORER_FRAMES_CA_BUNDLE", str(tmp_path / "ca"))
    monkeypatch.setenv("EXPLORER_FRAMES_CLIENT_CERT", str(tmp_path / "cert"))
    settings = Explorer(**options)._settings
    assert (settings.verify, settings.client_cert) == (str(tmp_path / "ca"), str(tmp_path / "cert"))
    assert Explorer(**options, ca_bundle=__file__)._settings.verify == __file__
    assert Explorer(**options, verify=False)._settings.verify is False
    monkeypatch.setenv("EXPLORER_FRAMES_CLIENT_KEY", str(tmp_path / "key"))
    assert Explorer(**options)._settings.client_cert == (str(tmp_path / "cert"), str(tmp_path / "key"))
    assert Explorer(**options, client_cert=__file__)._settings.client_cert == __file__, "with its key in the same file"
    for name in ("CA_BUNDLE", "CLIENT_CERT", "CLIENT_KEY"):
        with monkeypatch.context() as patch:
            patch.setenv(f"EXPLORER_FRAMES_{name}", str(tmp_path / "no.pem"))
            message = refused(**options)
        assert "no.pem' does not exist" in message
        assert f"EXPLORER_FRAMES_{name.replace('KEY', 'CERT')}: certificate file" in message
    monkeypatch.delenv("EXPLORER_FRAMES_CLIENT_CERT")
    assert "EXPLORER_FRAMES_CLIENT_KEY is set without client_cert" in refused(**options)
