#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weir export against a real Kafka: parquet_export.py says what is checked.
set -euo pipefail
CACHE=${WEIR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir}
PYTHON=${WEIR_TEST_PYTHON:-$CACHE/venv/bin/python}
HERE=$(dirname "${BASH_SOURCE[0]}")
PYTHONPATH=$HERE/../lib exec "$PYTHON" -B "$HERE/parquet_export.py"
