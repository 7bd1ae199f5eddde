"""The command line as a person has it: in a terminal, in a pipe, interrupted; in a process of its own where it matters."""

from __future__ import annotations

import errno
import getpass
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import COMMAND, Ended, Terminal, forking, main, outcomes, without_colors
from limits import HANG, PROCESS
from platforms import needs_dev_full, needs_pty, needs_shell

from explorer_frames import Explorer
from explorer_frames.sandbox import Graph, Sandbox

HARM = "Evil\x1b[2J [red]name[/]"


@pytest.fixture(scope="module")
def server():
    with Sandbox() as server:
        server.add_result([["a\x1b[31mX", "[bold]b[/]", "日本語"], ["0.123456789", "nan", "inf"]], name=HARM)
        for rows in (2_000, 200_000):  # more than a screen, more than a pipe holds
            server.add_result([[f"vertex{number}" for number in range(rows)], ["0.5"] * rows])
        yield server


@pytest.fixture(autouse=True)
def _environment(server, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


class _Screen(io.TextIOWrapper):
    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    """Call the command line in this process, with streams that say they are a terminal."""

    def call(*arguments, columns=80, encoding="utf-8"):
        monkeypatch.setenv("COLUMNS", str(columns))
        streams = [_Screen(io.BytesIO(), encoding=encoding) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            with pytest.raises(SystemExit) as ended:
                main(list(arguments))
            for stream in streams:
                stream.flush()
        return Ended(ended.value.code or 0, *(stream.buffer.getvalue().decode() for stream in streams))

    return call


def test_tables_have_colour_and_fit_and_foreign_text_does_no_harm(screen, monkeypatch):
    done = screen("show", "1")
    assert (done.code, done.err) == (0, "")
    assert "\x1b[32msuccess" in done.out
    assert "\x1b[2J" not in done.out
    assert r"Evil\x1b[2J [red]name[/]" in done.out
    monkeypatch.setenv("NO_COLOR", "1")
    lines = screen("read", "1", HARM).out.splitlines()
    assert not any("\x1b[3" in line for line in lines), "NO_COLOR"
    lines = [without_colors(line).rstrip() for line in lines]
    assert lines[0].split() == ["id", "score"]
    assert set(lines[1]) == {"─"}
    assert lines[2].split() == [r"a\x1b[31mX", "0.123457"]
    assert lines[3].split() == ["[bold]b[/]", "nan"]
    wide = [len(line) + sum(char in "日本語" for char in line) for line in lines]
    assert len(set(wide)) == 1, "letters that take two columns are counted so"


def test_narrow_terminal_omits_columns_with_a_note(screen):
    done = screen("jobs", columns=40)
    lines = without_colors(done.out).splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[0].split()[:2] == ["job_id", "status"]
    assert "too narrow for these columns: duration, workflow_id," in " ".join(without_colors(done.err).split())
    assert screen("jobs", columns=140).err == ""
    helped = screen("export", "--help", columns=40)
    assert "…" not in helped.out
    assert "╭" not in helped.out


@pytest.mark.parametrize("columns", [20, 40, 60, 80])
def test_ids_are_never_broken_in_a_terminal(screen, server, columns):
    with Explorer(server.url, token=server.token) as explorer:
        task = explorer.job(1).tasks[0].task_id
    shown = without_colors(screen("show", "1", columns=columns).out)
    assert "…" not in shown
    assert task in shown.split()


def test_the_help_is_legible(screen):
    done = screen("--help", columns=100)
    assert done.code == 0
    assert re.search("[╭┌]", done.out)  # the latter in old consoles of Windows
    assert "  3  a result may be incomplete" in without_colors(done.out)


def test_the_help_in_a_terminal_has_no_types_of_python(screen):
    for command in ("run", "sync", "read", "doctor", "output", "compare"):
        for columns in (60, 80, 100):
            assert "…" not in screen(command, "--help", columns=columns).out
        shown = without_colors(screen(command, "--help", columns=100).out)
        assert re.findall(r"<(?:str|int|float|bool|list|path|file)\b|range>|\{[A-Z]|\[\[|INTEGER|FLOAT", shown) == []


def test_times_in_a_terminal_are_in_utc_and_say_so(screen, server):
    with Explorer(server.url, token=server.token) as explorer:
        begun = explorer.job(1).create_time
    assert f" {begun:%Y-%m-%d %H:%M:%S} UTC " in without_colors(screen("jobs", columns=140).out)
    job, task = server.add_result([["2026-01-01T08:00:00+08:00", "0001-01-01T00:00:00Z"], ["2026-01-01 00:00:00"] * 2])
    read = ("read", job, task, "--schema", "a:timestamp[us, Asia/Shanghai],b:timestamp[us]")
    lines = without_colors(screen(*map(str, read)).out).splitlines()
    assert lines[2].split() == ["2026-01-01", "00:00:00", "UTC", "2026-01-01", "00:00:00"]
    assert len(lines) == 4


def test_force_color_colors_messages_and_help_but_no_data(cli, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    done = cli("show", "999999")
    assert done.err.startswith("\x1b[1;31mError:\x1b[0m server returned ")
    assert len(done.err.splitlines()) == 2, "neither line is broken"
    monkeypatch.setenv("COLUMNS", "100")
    assert "\x1b" in cli("jobs", "--help").out
    for line in (["jobs"], ["show", "1"], ["read", "2", "PageRank", "--csv"], ["jobs", "--json"]):
        assert "\x1b" not in cli(*line).out, line
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in cli("show", "999999").err


def test_errors_in_a_terminal_break_between_words(screen):
    done = screen("export", "2", "PageRank", "memory://a.parquet", "--limit", "5", columns=60)
    assert done.code == 3
    assert "\x1b[1;31mError:\x1b[0m" in done.err
    lines = without_colors(done.err).splitlines()
    assert max(map(len, lines)) <= 60
    assert " ".join(" ".join(lines).split()).startswith("Error: the result may be incomplete: the server")


def test_read_shows_20_rows_in_a_terminal_and_says_so(screen):
    done = screen("read", "2", "PageRank")
    assert done.code == 0
    assert "20 rows" in done.err
    assert "--limit all" in done.err
    assert len(without_colors(done.out).splitlines()) == 22
    for line in (["--limit", "all"], ["--limit", "77"], ["--limit", "5"], ["--csv"], ["--json"]):
        done = screen("read", "2", "PageRank", *line)
        assert (done.code, done.err) == (0, ""), line
        assert ("vertex70" in done.out) == (line != ["--limit", "5"]) or "77" not in line


def test_doctor_findings_are_shown_in_columns(screen):
    done = screen("doctor", columns=70)
    assert done.code == 0
    lines = without_colors(done.out).splitlines()
    assert max(map(len, lines)) <= 70
    assert lines[0].startswith("ok       versions       explorer_frames ")
    assert lines[-1] == "no problems, no warnings"


def test_a_terminal_without_unicode(screen):
    done = screen("read", "1", HARM, encoding="ascii")
    assert done.code == 0
    assert done.out.isascii()
    assert r"\u65e5" in done.out
    assert "日本語,inf" in screen("read", "1", HARM, "--csv", encoding="ascii").out, "data is UTF-8 in any locale"
    assert r"a\x1b[31mX,0.123456789" in screen("read", "1", HARM, "--csv").out, "in a terminal, CSV steers nothing"


FULL = "Error: cannot write the output: No space left on device\n"


@needs_dev_full
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
@pytest.mark.parametrize(
    "line",
    [
        ["read", "1", HARM],
        ["read", "1", HARM, "--limit", "2"],  # ends with a code of its own
        ["read", "2", "PageRank", "--limit", "100000"],  # more than a buffer holds
    ],
)
def test_a_full_disk(line, form, monkeypatch, capsys):
    with Path("/dev/full").open("w", encoding="utf-8") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            main([*line, *form])
    assert ended.value.code == 1
    assert FULL.strip().removeprefix("Error: ") in capsys.readouterr().err


@needs_dev_full
@pytest.mark.parametrize("form", [[], ["--json"], ["--wait"]])
def test_job_id_is_printed_to_stderr_if_stdout_fails(form, server, monkeypatch, capsys):
    workflow = server.add_workflow("lost", Graph.karate(), {"a": ("PageRank", {})})
    with Path("/dev/full").open("w", encoding="utf-8") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            main(["run", str(workflow), *form])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    newest = Explorer(server.url, token=server.token).list_jobs(limit=1)["job_id"][0]
    assert f"Job {newest} was started." in said
    assert FULL.strip().removeprefix("Error: ") in said


@pytest.mark.slow
@needs_dev_full
def test_exit_code_is_set_if_stderr_is_closed():
    command = forking([["export", "1", HARM, "memory://a.parquet", "--limit", "2"], ["read", "1", "nope"]])
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=True, timeout=PROCESS)
    assert [code for _, code in outcomes(done.stdout)] == [3, 2]


@needs_dev_full
@pytest.mark.parametrize(
    "words",
    [["--help"], *(pytest.param(words, marks=pytest.mark.slow) for words in (["jobs", "--help"], ["--version"]))],
)
def test_full_disk_while_printing_help(words):
    command = [sys.executable, "-c", "from explorer_frames.cli import main; main()", *words]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 2)
    assert FULL in done.stderr


def test_only_errors_of_stdout_are_output_errors(cli, monkeypatch):
    def broken(*_, **__):
        raise OSError(errno.EAFNOSUPPORT, "canary")

    monkeypatch.setattr(Explorer, "list_jobs", broken)
    done = cli("jobs")
    assert done.code == 1
    assert done.err.startswith("Error: internal error: OSError\n")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("explorer-frames re", "read"),
        ("explorer-frames read 1 x --schema Lou", "Louvain"),
        ("explorer-frames export 1 x y --format ", "feather"),
    ],
)
def test_the_shell_completes(cli, monkeypatch, line, offered):
    monkeypatch.setenv("_EXPLORER_FRAMES_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert offered in cli().out.splitlines()


@pytest.mark.parametrize("option", ["--no-progress", "--debug"])
def test_progress_bars_can_be_turned_off(screen, monkeypatch, option):
    monkeypatch.setenv("EXPLORER_FRAMES_PROGRESS", "1")
    assert "3 rows, " in screen("read", "1", HARM).err
    assert "3 rows, " not in screen("read", "1", HARM, option).err
    assert os.environ["EXPLORER_FRAMES_PROGRESS"] == "1", "doctor names the variables that are set"


# --- in a process of its own


@needs_pty
def test_missing_password_is_prompted_for(server, cli, monkeypatch):
    small = server.add_workflow("small", Graph.karate(), {"a": ("PageRank", {})})
    terminal = Terminal("run", small, "--wait", env={"EXPLORER_FRAMES_PASSWORD": "", "EXPLORER_FRAMES_PROGRESS": "1"})
    terminal.see("Password for root:")
    terminal.press(f"{server.password}\n")
    assert terminal.end() == 0
    assert server.password not in terminal.shown
    assert "1/1 task" in terminal.shown, "a progress bar"
    assert ": success in " in terminal.shown
    monkeypatch.delenv("EXPLORER_FRAMES_PASSWORD")
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        unasked = cli("jobs")
    assert unasked.code == 2
    assert unasked.is_short


@pytest.mark.slow
@needs_pty
def test_missing_password_is_a_usage_error(cli, monkeypatch):
    terminal = Terminal("jobs", env={"EXPLORER_FRAMES_PASSWORD": ""})
    terminal.see("Password for root:")
    terminal.press("\x04")
    assert terminal.end() == 2
    assert "Error: missing password" in terminal.shown
    for name in ("EXPLORER_FRAMES_PASSWORD", "EXPLORER_FRAMES_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "stdin", _Screen(io.BytesIO()))
    monkeypatch.setattr(getpass, "getpass", None)
    nowhere = cli("jobs")
    assert nowhere.code == 2
    assert "missing url" in nowhere.err


@needs_pty
@pytest.mark.parametrize("cancels", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_ctrl_c_leaves_the_job_running_and_says_how_to_stop_it(cancels):
    with Sandbox(task_seconds=9 * HANG) as slow, Explorer(slow.url, token=slow.token) as explorer:
        workflow = slow.add_workflow("slow", Graph.karate(), {"a": ("PageRank", {})})
        options = ["--cancel-on-interrupt"] * cancels
        terminal = Terminal("run", workflow, "--wait", *options, env=slow.environment)
        terminal.see("job 1 running")
        terminal.press("\x03")
        assert terminal.end() == 130
        drawn, after, *_ = terminal.shown.partition("^C")[2].split("\n")
        assert drawn.rstrip("\r").rpartition("\r")[2].startswith("job 1 running (1 running)"), "it overwrites the ^C"
        assert after == "Error: interrupted"
        said = " ".join(terminal.shown.split())
        assert "Traceback" not in said
        job = explorer.job(1)
        if cancels:
            assert "Requested the cancellation of job 1. Its status is " in said
            assert job.status in ("stopping", "interrupted")
        else:
            assert "explorer-frames wait 1" in said
            assert "explorer-frames cancel 1" in said
            assert job.status == "running"


def test_closed_pipe_is_not_an_error():
    command = [*COMMAND, "read", "3", "PageRank", "--limit", "all", "--csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"id,score\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@needs_shell
def test_an_output_that_is_closed():
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "jobs"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PROCESS,
    )
    assert closed.returncode == 1
    first, second = closed.stderr.splitlines()
    assert first == "Error: standard output is closed"
    assert os.devnull in second


@pytest.mark.slow
@needs_shell
def test_an_error_output_that_is_closed():
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *forking([["jobs", "--debug"], ["show", "999", "--debug"], ["nope"]])],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PROCESS,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    (listed, *unlisted) = outcomes(done.stdout)
    assert listed[0].startswith("job_id\tstatus\t")
    assert "Traceback" not in done.stdout
    assert (listed[1], unlisted) == (0, [("", 1), ("", 2)])


def test_help_waits_neither_for_pandas_nor_for_arrow():
    code = (
        "import sys\nfrom explorer_frames.cli import main\n"
        "try:\n    main(['jobs', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pandas', 'pyarrow', 'requests', 'fsspec', 'igraph'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PROCESS)
    assert done.stdout.splitlines()[-1] == "[]"
