#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The broker dies by SIGKILL and comes back three times under a consume-transform-produce loop:
# nothing may be lost or doubled, and the loop goes on by itself. In a sandbox of its own.
#
# A broker that knows no leaders yet may end a transaction without its end markers, and says so in
# its log (tests/crash/README.md): what it had committed is then hidden for good, and the run is
# done again in another sandbox.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ctl="$ROOT/connectors/sandbox/ctl"
LOST="Couldn't find leader endpoint for partitions"

run() {
  "${WEIR_BUILD:-$ROOT/build/release}/integration/integration_kafka_txn" outage \
    "for i in 1 2 3; do sleep 1.\$i; $ctl kill kafka --dir $WEIR_SANDBOX_DIR; sleep 1;
      $ctl start kafka --dir $WEIR_SANDBOX_DIR; done"
}

for try in 1 2 3; do
  eval "$("$ROOT/connectors/sandbox/up" --only kafka)"
  trap '"$ROOT/connectors/sandbox/down" --dir "$WEIR_SANDBOX_DIR" --wipe' EXIT
  status=0
  run || status=$?
  [ $status = 0 ] || grep -rqF "$LOST" "$WEIR_SANDBOX_DIR/log" || exit $status
  [ $status != 0 ] || exit 0
  echo "try $try: the broker has lost end markers: once more"
  "$ROOT/connectors/sandbox/down" --dir "$WEIR_SANDBOX_DIR" --wipe
done
exit $status
