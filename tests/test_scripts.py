"""The scripts: do they set up once, run from anywhere, and leave what they promise?

What they install is stubbed: their `.venv/bin/python` writes pip's arguments down instead of running it, and
is this Python for everything else.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from weighted_mean import write

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("scripts/run", "scripts/test", "scripts/setup.sh", ".ci/run")

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")


@pytest.fixture
def copy(tmp_path):
    """The set-up files in a folder with a space in its name, and a stubbed virtual environment."""
    root = tmp_path / "a copy"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    shutil.copytree(ROOT / ".ci", root / ".ci")
    shutil.copy(ROOT / "pyproject.toml", root)
    binaries = root / ".venv" / "bin"
    binaries.mkdir(parents=True)
    python = binaries / "python"
    python.write_text(
        "#!/bin/bash\n"
        f'if [ "$1 $2" = "-m pip" ] || [ "$1 $2" = "-m tox" ]; then echo "$@" >>"{tmp_path}/calls"; '
        'if [ "$2" = tox ]; then echo "3 passed, 1 skipped in 1.50s"; echo "2 passed in 0.25s"; fi; '
        "exit 0; fi\n"
        f'PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    (root / "netlists").mkdir()
    write(root / "netlists")
    return root


def run(command, cwd, **environment):
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_syntax(name):
    done = run(["bash", "-n", ROOT / name], ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [name for name in SCRIPTS if not name.endswith(".sh")])
def test_executable_and_strict(name):
    assert os.access(ROOT / name, os.X_OK)
    assert "set -euo pipefail" in (ROOT / name).read_text()


def test_run_trains_verifies_and_exports(copy, tmp_path, ngspice):
    elsewhere = tmp_path / "some where"
    elsewhere.mkdir()
    command = [copy / "scripts" / "run", "mean", "--set", "verify.engine=ngspice", "--json"]
    done = run(command, elsewhere)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["epochs"] == 6 and record["verified"]["passed"]
    directory = elsewhere / record["directory"]
    for name in ("trained.cir", "deck.cir", "bench.cir", "run.json"):
        assert (directory / name).exists()
    assert (tmp_path / "calls").read_text().count("pip install") == 1
    assert "--editable" in (tmp_path / "calls").read_text()

    again = run([copy / "scripts" / "run", copy / "netlists" / "mean.toml"], elsewhere)
    assert again.returncode == 0, again.stderr
    assert "trained.cir" in again.stdout and "agrees" not in again.stdout
    assert (tmp_path / "calls").read_text().count("pip install") == 1  # nothing is installed twice

    (copy / "pyproject.toml").write_text((copy / "pyproject.toml").read_text() + "\n# changed\n")
    assert run(command, elsewhere).returncode == 0
    assert (tmp_path / "calls").read_text().count("pip install") == 2


def test_run_passes_errors_on(copy, tmp_path):
    done = run([copy / "scripts" / "run", "no-such-experiment"], tmp_path)
    assert done.returncode == 2 and "no-such-experiment" in done.stderr and "Traceback" not in done.stderr


def test_test_calls_tox_and_sums_up(copy, tmp_path, ngspice):
    done = run([copy / ".ci" / "run"], tmp_path)
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text()
    python = f"py{sys.version_info[0]}{sys.version_info[1]}"
    assert f"-m tox run -e lint,types,{python},ngspice" in calls
    assert done.stdout.splitlines()[-1] == "===== 5 passed, 1 skipped in 1.75s ====="


def test_without_python_there_is_a_sentence(tmp_path):
    root = tmp_path / "bare"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    shutil.copy(ROOT / "pyproject.toml", root)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "cat", "flock", "rm", "env", "id"):
        if shutil.which(name):
            (tools / name).symlink_to(shutil.which(name))
    done = run([root / "scripts" / "run"], root, PATH=str(tools), PYTHON="no-python")
    assert done.returncode == 1 and "Python 3.11 or newer is needed" in done.stderr


def sourced(copy, script, **environment):
    return run(["bash", "-c", f"set -euo pipefail; source scripts/setup.sh; {script}"], copy, **environment)


def test_apt_lists_are_fetched_only_when_needed(copy, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    apt = tools / "apt-get"
    log = tmp_path / "apt"
    # the first install fails, as on a machine without package lists; after the update it works
    apt.write_text(
        f'#!/bin/bash\necho "${{@: -1}}" >>"{log}"\n'
        f'[ "${{@: -1}}" = update ] && touch "{log}.updated"\n[ -e "{log}.updated" ]\n'
    )
    apt.chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    script = "may_apt() { as_root=(); }; apt_install ngspice && apt_install libngspice0"
    assert sourced(copy, script, PATH=path).returncode == 0
    assert log.read_text().split() == ["ngspice", "update", "ngspice", "libngspice0"]


def test_without_ngspice_and_apt_it_goes_on(copy):
    script = "has_ngspice() { return 1; }; may_apt() { return 1; }; get_ngspice || echo fast engine alone"
    done = sourced(copy, script)
    assert done.returncode == 0 and done.stdout == "fast engine alone\n"
    assert (copy / ".venv" / ".no-ngspice").exists()  # not tried again today


def test_acceptance_takes_seeds(tmp_path):
    done = run([sys.executable, ROOT / "scripts" / "acceptance", "divider", "--seeds", "7"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seeds 7" in done.stdout and "1e-06 yes" in done.stdout
    wrong = run([sys.executable, ROOT / "scripts" / "acceptance", "no-such"], tmp_path)
    assert wrong.returncode == 2 and "no-such" in wrong.stderr
