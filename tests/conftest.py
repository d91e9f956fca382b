"""What several test files share."""

import os

import pytest
from weighted_mean import write

from analogpnn.errors import SimulatorError


def pytest_configure(config):
    config.addinivalue_line("markers", "ngspice: needs ngspice; given to every test that uses the fixture of that name")


@pytest.hookimpl(tryfirst=True)  # before -m looks
def pytest_collection_modifyitems(items):
    for item in items:
        if "ngspice" in getattr(item, "fixturenames", ()):
            item.add_marker("ngspice")


def pytest_addoption(parser):
    parser.addoption("--decks", metavar="DIR", help="compare the decks of this folder too (see test_decks.py)")
    parser.addoption("--trust", action="store_true", help="hand ngspice those decks' own text; it may run commands")


@pytest.fixture(scope="session")
def ngspice():
    """The ngspice that is there; tests that need it skip without, or fail if ANALOGPNN_REQUIRE_NGSPICE=1.

    Whole files: ``pytestmark = pytest.mark.usefixtures("ngspice")``.
    """
    from analogpnn.engines.ngspice.pool import info

    try:
        return info()
    except SimulatorError as error:
        if os.environ.get("ANALOGPNN_REQUIRE_NGSPICE") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def call(capsys):
    """Run a command line: exit code, stdout, stderr."""

    from analogpnn.cli.main import main

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return end.value.code or 0, out, err

    return run


@pytest.fixture
def folder(tmp_path):
    """A folder with an experiment in it: mean.toml, mean.cir, mean.csv."""
    return write(tmp_path)
