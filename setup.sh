#!/usr/bin/env bash
# Makes this checkout ready to use: installs the Debian or Ubuntu packages that are missing, creates .venv and installs
# the project into it. Asks nothing, changes nothing that is in order, and takes a moment when nothing is left to do.
# A script of its own, because it has to run on a machine that has no make yet.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")"

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { # command...: its output is shown only when it fails
    "$@" >"$log" 2>&1 </dev/null && return
    tail -n 30 "$log" >&2
    return 1
}

# ---- Debian packages -------------------------------------------------------------------------------------------------

has() { command -v "$1" >/dev/null 2>&1; }
host_has_c_headers() { has gcc && echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1; }
target_has_c_library() {
    has arm-none-eabi-gcc || return
    local library
    library=$(arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb -print-file-name=libc_nano.a 2>/dev/null)
    [[ $library == /* && -e $library ]]
}
is_usable_python() { # new enough, and able to create a virtual environment with pip in it
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}
find_python() { # the user's python3 may be a shim that runs nothing, so every candidate is tried
    local candidate
    for candidate in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
        if is_usable_python "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

packages=() reasons=()
need() { # reason, package...
    reasons+=("$1")
    packages+=("${@:2}")
}
find_missing_packages() {
    packages=() reasons=()
    has make || need 'make' make
    has git || need 'git' git
    host_has_c_headers || need 'the C compiler for the twin' gcc libc6-dev
    has cmake || need 'cmake' cmake
    has ninja || need 'ninja' ninja-build
    has arm-none-eabi-gcc || need 'the cross compiler' gcc-arm-none-eabi
    target_has_c_library || need 'its C library' libnewlib-arm-none-eabi
    find_python >/dev/null || need 'virtual environments' python3 python3-venv
}

find_missing_packages
if ((${#packages[@]})); then
    install="apt-get install -y --no-install-recommends ${packages[*]}"
    has apt-get || fail "needs ${packages[*]} (Debian's names); install them with this system's package manager"
    as_root=()
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            fail "needs root for missing packages; run this, then repeat: sudo sh -c 'apt-get update && $install'"
        fi
        as_root=(sudo -n)
    fi
    printf -v why '%s, ' "${reasons[@]}"
    say "installing ${packages[*]} (missing: ${why%, }); this can take some minutes"
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300)
    # One broken source of the machine must not stop packages that other sources have.
    quietly "${apt[@]}" update || say 'apt-get update failed (see above); going on with the package lists as they are'
    quietly "${apt[@]}" install --no-install-recommends "${packages[@]}" || fail "this command failed: $install"
    hash -r
    find_missing_packages
    ((${#packages[@]} == 0)) || fail "still missing after the installation: ${packages[*]} (Python 3.11 or newer is needed)"
fi

# ---- Python environment ----------------------------------------------------------------------------------------------

venv=.venv
tox='tox>=4.23,<5'
stamp=$venv/.installed
installed=0
wanted=$({ pwd && echo "$tox" && cat pyproject.toml; } | sha256sum)

is_usable_python $venv/bin/python || rm -rf $venv
if [[ ! -e $stamp || $(<"$stamp") != "$wanted" ]]; then
    if [[ ! -e $venv ]]; then
        python=$(find_python)
        say "creating $venv with $python ($("$python" -V))"
        quietly "$python" -m venv $venv || fail "this command failed: $python -m venv $venv"
    fi
    rm -f "$stamp"
    quietly $venv/bin/python -m ensurepip || fail "cannot put pip into $venv; remove that folder and repeat"
    say "installing the project and its dependencies into $venv"
    export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1
    quietly $venv/bin/python -m pip install -e '.[robot]' "$tox" \
        || fail "this command failed: $venv/bin/python -m pip install -e '.[robot]'"
    echo "$wanted" >"$stamp"
    installed=1
fi

# ---- The command `harness` -------------------------------------------------------------------------------------------

target=$PWD/$venv/bin/harness
is_on_path() { [[ $(readlink -f "$(command -v harness)") == "$target" ]]; }
is_ours_to_set() { # free, or a link of ours to a checkout that is gone
    [[ ! -e $1 ]] && { [[ ! -L $1 ]] || [[ $(readlink "$1") == */.venv/bin/harness ]]; }
}
link_command() { # into the first folder for a user's own programs that is on PATH and writable
    local folder link
    for folder in ${HOME:+"$HOME/.local/bin"} /usr/local/bin; do
        link=$folder/harness
        if [[ :$PATH: == *":$folder:"* && -w $folder ]] && is_ours_to_set "$link"; then
            ln -sfn "$target" "$link"
            say "linked $link to this checkout (make clean removes it)"
            return
        fi
    done
    return 1
}
if [[ -z ${CI:-} ]] && ! is_on_path && ! link_command && ((installed)); then
    say "done; '. $venv/bin/activate' puts the command harness on PATH"
fi
