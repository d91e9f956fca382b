# Functions shared by scripts/run and scripts/test; sourced, never run.
# Everything here may be repeated: what is there already is left alone.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="$root/.venv"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# The first interpreter that is new enough; its path goes to stdout.
find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3 python python3.13 python3.12 python3.11 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "Python 3.11 or newer is needed and wasn't found. Install it, or say where it is: PYTHON=/path/to/python3 $0"
}

# How to call apt-get here: directly, through sudo without a password, or not at all.
may_apt() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" = 0 ]; then
        as_root=()
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        return 1
    fi
}

apt_quietly() {
    # "${a[@]+...}": an empty array is no error under set -u, in old bash neither
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq \
        -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Acquire::http::Timeout=30 "$@" >/dev/null 2>&1
}

# Install packages; the lists are fetched only when the first attempt fails (a fresh image has none).
apt_install() {
    may_apt || return 1
    apt_quietly install -y --no-install-recommends "$@" && return
    [ -z "${apt_updated:-}" ] || return 1
    apt_updated=yes
    apt_quietly update || true
    apt_quietly install -y --no-install-recommends "$@"
}

# Two of us at once would install into one another: wait for the other to finish.
lock_setup() {
    if command -v flock >/dev/null 2>&1; then
        exec 9<"$root/pyproject.toml"
        flock 9
    fi
}

unlock_setup() {
    if command -v flock >/dev/null 2>&1; then
        flock -u 9
        exec 9<&-
    fi
}

python_works() {
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# A working virtual environment in .venv. One of ours that was moved here, or whose interpreter is gone, is made anew.
make_venv() {
    if python_works && { [ ! -f "$venv/.root" ] || [ "$(cat "$venv/.root")" = "$root" ]; }; then
        return
    fi
    local python version
    python="$(find_python)"
    say "Making a virtual environment in .venv ..."
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian and Ubuntu keep these in a package of their own
        version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
        apt_install "python$version-venv" || apt_install python3-venv || true
    fi
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
    elif "$python" -m pip --version >/dev/null 2>&1 && "$python" -m venv --clear --without-pip "$venv" 2>/dev/null; then
        "$python" -m pip --python "$venv/bin/python" install --quiet pip
    else
        die "Python's venv module is missing: install it as root with 'apt install python3-venv', then start this again."
    fi
    printf '%s\n' "$root" >"$venv/.root"
}

# pip_install STAMP ARGUMENTS...: pip install, once per pyproject.toml and arguments.
pip_install() {
    local stamp="$venv/.$1" want
    shift
    want="$(cksum <"$root/pyproject.toml") $root $*"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
        return
    fi
    say "Installing (a minute or so, once) ..."
    (cd "$root" && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@") ||
        die "pip couldn't install $*; its words are above. Is there a network?"
    printf '%s\n' "$want" >"$stamp"
}

has_libngspice() {
    "$venv/bin/python" - 2>/dev/null <<'PYTHON'
import ctypes, ctypes.util, os
for name in (os.environ.get("NGSPICE_LIBRARY_PATH"), "libngspice.so.0", "libngspice.so", ctypes.util.find_library("ngspice")):
    try:
        if name and ctypes.CDLL(name):
            raise SystemExit(0)
    except OSError:
        pass
raise SystemExit(1)
PYTHON
}

has_ngspice() {
    command -v ngspice >/dev/null 2>&1 && has_libngspice
}

# ngspice (the command) and libngspice0 (the library); fails if they can't be had.
get_ngspice() {
    has_ngspice && return
    # without a network the attempt takes a while; one a day is enough
    if [ -n "$(find "$venv/.no-ngspice" -mmin -1440 2>/dev/null)" ] && [ "${1:-}" != now ]; then
        return 1
    fi
    if may_apt; then
        say "Installing ngspice ..."
        apt_install ngspice libngspice0 || true
    fi
    if has_ngspice; then
        rm -f "$venv/.no-ngspice"
        return
    fi
    touch "$venv/.no-ngspice"
    return 1
}
