#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The broker dies by SIGKILL and comes back three times under a consume-transform-produce loop:
# nothing may be lost or doubled, and the loop goes on by itself. In a sandbox of its own.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
eval "$("$ROOT/connectors/sandbox/up" --only kafka)"
trap '"$ROOT/connectors/sandbox/down" --dir "$WEIR_SANDBOX_DIR" --wipe' EXIT
ctl="$ROOT/connectors/sandbox/ctl"
"${WEIR_BUILD:-$ROOT/build/release}/integration/integration_kafka_txn" outage \
  "for i in 1 2 3; do sleep 1.\$i; $ctl kill kafka --dir $WEIR_SANDBOX_DIR; sleep 1;
    $ctl start kafka --dir $WEIR_SANDBOX_DIR; done"
