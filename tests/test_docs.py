"""Does the documentation work, and is it complete?

A page is read from top to bottom in an empty folder that has `netlists/` in it. In fenced blocks

* ```` ```spice mine.cir ```` (any language, a file name behind it) is written to that file,
* ```` ```python ```` is run; all blocks of a page share one namespace,
* ```` ```console ````: lines ``$ analogpnn ...`` are run and must end with exit code 0 (and, on a page that needs
  ngspice, ``$ ngspice ...``); every line shown below a command must begin as some line of its output does.
  Other commands are not run.

A comment on a line of its own before a block changes that: ``<!-- exit 2 -->``, ``<!-- not run -->``; one
``<!-- needs ngspice -->`` anywhere makes the whole page a test that needs ngspice.
"""

import contextlib
import dataclasses
import inspect
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

import analogpnn
from analogpnn.cli.main import FORMATS, app, main
from analogpnn.experiments import rundir, schema
from analogpnn.gradients import METHODS
from analogpnn.learning import RULES
from analogpnn.learning.costs import COSTS
from analogpnn.learning.schedules import SCHEDULES
from analogpnn.learning.steps import STEPS
from analogpnn.netlist.directives import WORDS
from analogpnn.netlist.element_cards import LETTERS
from analogpnn.tasks.task import NAMES as TASKS
from analogpnn.training.records import Counts

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^>]*?) -->\n+)?^```(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NEEDS_NGSPICE = "<!-- needs ngspice -->"


def needs_ngspice(page):
    return NEEDS_NGSPICE in page.read_text(encoding="utf-8")


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if not needs_ngspice(page)], ids=name)
def test_page_runs(page, tmp_path, monkeypatch):
    run(page, tmp_path, monkeypatch)


@pytest.mark.parametrize("page", [page for page in PAGES if needs_ngspice(page)], ids=name)
def test_page_runs_with_ngspice(page, tmp_path, monkeypatch, ngspice):
    run(page, tmp_path, monkeypatch)


def run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    shutil.copytree(ROOT / "netlists", tmp_path / "netlists")
    text = page.read_text(encoding="utf-8")
    namespace = {"__name__": "page"}
    try:
        for block in BLOCK.finditer(text):
            mark, body = block["mark"] or "", block["body"]
            line = text.count("\n", 0, block.start("body")) + 1
            if mark == "not run":
                continue
            if block["file"]:
                Path(block["file"]).write_text(body, encoding="utf-8")
            elif block["language"] == "python":
                source = "\n" * (line - 1) + body  # tracebacks name the page's lines
                with contextlib.redirect_stdout(io.StringIO()), monkeypatch.context() as patch:
                    patch.syspath_prepend(str(tmp_path))  # as for a script in this folder
                    exec(compile(source, str(page), "exec"), namespace)
            elif block["language"] == "console":
                console(body, int(mark[5:]) if mark.startswith("exit ") else 0, NEEDS_NGSPICE in text)
    finally:
        for name in set(sys.modules) - before:  # modules of one page are not those of the next
            if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
                del sys.modules[name]


def console(body, code, ngspice):
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
        words = shlex.split(command)
        if words[0] == "analogpnn":
            said, ended = in_process(words[1:])
        elif words[0] == "ngspice" and ngspice:
            done = subprocess.run(words, capture_output=True, text=True, timeout=120)
            said, ended = done.stdout + done.stderr, done.returncode
        else:
            continue
        assert ended == code, f"{command}\n{said}"
        begins = {line.split(maxsplit=1)[0] for line in said.splitlines() if line.strip()}
        for line in shown.splitlines():
            if line.strip() and line.strip() != "...":
                assert line.split(maxsplit=1)[0] in begins, f"{command}\nsays nowhere: {line}\nbut:\n{said}"


def in_process(arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), pytest.raises(SystemExit) as end:
        main(arguments)
    return out.getvalue(), end.value.code or 0


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_of_the_architecture_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    there = {path.name for folder in ("analogpnn", "tests", "docs", "scripts") for path in (ROOT / folder).rglob("*")}
    assert not set(re.findall(r"`(?:[\w./]*/)?(\w+\.py)`", text)) - there


def test_pictures_are_small():
    for picture in (ROOT / "docs" / "img").iterdir():
        assert picture.stat().st_size < 200_000, picture.name


# --- is everything in the reference? -----------------------------------------------------------------------


def lacking(page, words):
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    return [word for word in words if f"`{word}`" not in text and f"`{word} " not in text]


def test_every_key_of_an_experiment():
    keys = [*schema.EXPERIMENT, *(f"train.{k}" for k in schema.TRAIN), *(f"verify.{k}" for k in schema.VERIFY)]
    assert not lacking("experiment-file.md", keys)
    assert not lacking("experiment-file.md", [*TASKS, *STEPS, *SCHEDULES, *COSTS])


def test_every_command_and_option():
    commands = get_command(app).commands
    assert not lacking("command-line.md", [*(f"analogpnn {name}" for name in commands), *FORMATS])
    options = {option for command in commands.values() for p in command.params for option in p.opts if option[0] == "-"}
    assert not lacking("command-line.md", sorted(options))


def test_no_help_text_is_swallowed():
    """rich takes [words in brackets] for markup and shows nothing."""
    for name, command in get_command(app).commands.items():
        for text in [command.help, *(getattr(p, "help", "") for p in command.params)]:
            assert "[" not in (text or ""), f"{name}: {text}"


def test_every_file_of_a_run():
    names = [value for name, value in vars(rundir).items() if name.isupper() and isinstance(value, str)]
    assert not lacking("run-directory.md", names)
    assert not lacking("run-directory.md", [field.name for field in dataclasses.fields(Counts)])


def test_every_rule_and_its_options():
    assert not lacking("rules.md", [*RULES, *METHODS])
    for rule in (*RULES.values(), *METHODS.values()):
        assert not lacking("rules.md", [field.name for field in dataclasses.fields(rule) if field.name[0] != "_"])


def test_every_card_and_directive():
    assert not lacking("netlist.md", [letter.upper() for letter in LETTERS])
    assert not lacking("netlist.md", [f"*@ {word}" for word in WORDS])


def test_every_public_name():
    assert not lacking("python.md", analogpnn.__all__)
    for name in ("Newton", "Ngspice", "Transient"):
        options = [o for o in inspect.signature(getattr(analogpnn, name)).parameters if not o.startswith("_")]
        assert not lacking("python.md", options)


def test_every_shipped_netlist():
    files = sorted((ROOT / "netlists").iterdir())
    assert not lacking("shipped.md", [f.stem for f in files if f.suffix == ".toml"])
    assert not lacking("shipped.md", [f.name for f in files if f.suffix == ".cir"])


def test_the_citation_is_of_this_version():
    said = dict(re.findall(r"^(\w+): (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE))
    assert said["version"] == analogpnn.__version__ and said["license"] == "GPL-3.0-or-later"
    assert f"version = {{{analogpnn.__version__}}}" in (ROOT / "README.md").read_text(encoding="utf-8")
