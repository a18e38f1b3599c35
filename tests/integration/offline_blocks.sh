#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A view with offline: blocks beside the same with rows: offline_blocks.py says what is checked.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${WEIR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir}
PYTHONPATH=$ROOT/tests/lib exec "${WEIR_TEST_PYTHON:-$CACHE/venv/bin/python}" -B "$ROOT/tests/integration/offline_blocks.py"
