"""Do imports respect the floors, is nothing evaluated, are files small, do all netlists run in stock ngspice?"""

import ast
import functools
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "analogpnn"
SOURCES = sorted(PACKAGE.rglob("*.py"))
FLOORS = (
    ("expression", "errors", "units", "seeds", "garbage"),
    ("devices",),
    ("netlist", "circuit"),
    ("engines", "learning"),
    ("training", "tasks", "gradients"),
    ("export", "agreement"),
    ("experiments", "estimators"),
    ("cli", "testing"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ENTRANCES = ("__init__", "__main__")
"""Files at the top that open any room."""
APART = {frozenset({"engines", "learning"}), frozenset({"netlist", "circuit"})}
"""Neighbours on one floor with no door between, or with one that opens from the second side only."""
DOORS = {("circuit", "netlist")}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def trees():
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES]


def imports(tree, path):
    """(line, room) of every import from the package, relative ones included."""
    inside = ["analogpnn", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "analogpnn" and len(parts) > 1:
                yield node.lineno, parts[1]


def test_every_room_has_a_floor():
    assert {room(path) for path in SOURCES} - set(ENTRANCES) == set(FLOOR)


def test_imports_come_from_the_same_floor_or_below():
    wrong = []
    for path, tree in trees():
        here = room(path)
        if here in ENTRANCES:
            continue
        for line, there in imports(tree, path):
            if there == here or there.startswith("__"):
                continue
            apart = frozenset({here, there}) in APART and (here, there) not in DOORS
            if there not in FLOOR or FLOOR[there] > FLOOR[here] or apart:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {here} imports {there}")
    assert not wrong, "\n".join(wrong)


def test_nothing_is_evaluated_unpickled_or_swallowed():
    wrong = []
    for path, tree in trees():
        where = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(tree):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if called == "eval" or (called == "exec" and where != "devices/generate.py"):
                wrong.append(f"{where}:{node.lineno}: {called}()")
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                forbidden = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
                wrong += [f"{where}:{node.lineno}: {n}" for n in names if n.split(".")[0] in forbidden]
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                wrong.append(f"{where}:{node.lineno}: bare except")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, where
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["analogpnn", "tests", "scripts", "benchmarks"])
def test_files_are_small(folder):
    files = [p for p in (ROOT / folder).rglob("*") if p.suffix == ".py" or folder == "scripts" and p.is_file()]
    assert files
    sizes = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8").count("\n") for p in files if p.suffix != ".pyc"}
    assert max(sizes.values()) <= 500, {name: n for name, n in sizes.items() if n > 500}


def test_every_module_says_what_it_is():
    silent = [path for path, tree in trees() if path.name != "__main__.py" and not ast.get_docstring(tree)]
    assert not silent


def test_nothing_is_left_to_do():
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    assert not [path for path in SOURCES if any(mark in path.read_text(encoding="utf-8") for mark in marks)]


@pytest.mark.usefixtures("ngspice")
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="there is only ngspice's library here, no command")
@pytest.mark.parametrize("path", sorted((ROOT / "netlists").glob("*.cir")), ids=lambda path: path.stem)
def test_every_netlist_runs_in_stock_ngspice(path, tmp_path):
    """As it is, and with an operating point asked for: directives are comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    body = [line for line in lines if line.strip().lower() not in (".end", ".op")]
    deck = tmp_path / path.name
    deck.write_text("\n".join([*body, ".op", ".end"]) + "\n", encoding="utf-8")
    for file in (path, deck):
        done = subprocess.run(["ngspice", "-b", str(file)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
        said = (done.stdout + done.stderr).lower().replace("<<nan, error = 7>>", "")  # how it prints what isn't set
        assert "error" not in said and "warning" not in said, said
    assert done.returncode == 0 and "voltage" in said
