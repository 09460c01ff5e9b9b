#!/bin/sh
# Makes the project's own environment: pinned by constraints.txt, every extra, nothing outside it.
set -eu
venv="$1"
"${PYTHON:-python3}" -c 'import sys; sys.exit("headgate needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade "pip>=25.1"
"$venv/bin/python" -m pip install --quiet -c constraints.txt -e ".[postgres,mysql,remote,formats,lakes,rest,vault,frames,demo]" --group dev
