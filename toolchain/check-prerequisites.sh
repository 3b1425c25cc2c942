#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks what `make setup` cannot install: Python 3.11 or later with venv, Node 20 or later, and npm.
# Reports every missing tool with the command that installs it.
set -u

python=${PYTHON:-python3}
faults=0

fault() {
    faults=$((faults + 1))
    printf 'missing: %s\n   do: %s\n' "$1" "$2" >&2
}

if ! command -v "$python" >/dev/null 2>&1; then
    fault "Python ($python)" "install Python 3.11 or later (Debian, Ubuntu: apt-get install python3 python3-venv)"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    fault "Python 3.11 or later ($python is $("$python" --version 2>&1))" \
        "install a later version and select it: make setup PYTHON=python3.11"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    fault "the venv module of $python" "install it (Debian, Ubuntu: apt-get install python3-venv)"
fi

if ! command -v node >/dev/null 2>&1; then
    fault "Node" "install Node 20 or later (Debian, Ubuntu: apt-get install nodejs npm; others: nvm install 20)"
elif ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
    fault "Node 20 or later (node is $(node --version))" "install a later version, for example: nvm install 20"
elif ! command -v npm >/dev/null 2>&1; then
    fault "npm" "install npm (Debian, Ubuntu: apt-get install npm)"
fi

[ "$faults" -eq 0 ] || exit 1
