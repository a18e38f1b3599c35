# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For suites written in bash: `check NAME COMMAND...` runs one check and shows
# its output when it fails; `checks_end` prints the count that tests/run reads.
# A check that fails does not stop the suite.

checks_passed=0 checks_failed=0

check() { # NAME COMMAND...
  local name=$1 out status=0
  shift
  out=$("$@" 2>&1) || status=$?
  if [ $status = 0 ]; then
    checks_passed=$((checks_passed + 1))
    echo "ok     $name"
  else
    checks_failed=$((checks_failed + 1))
    printf 'FAILED %s (exit %d)\n%s\n' "$name" $status "${out//$'\n'/$'\n'    }"
  fi
}

same() { # WANT GOT
  [ "$1" = "$2" ] || { printf 'want: %s\ngot:  %s\n' "$1" "$2"; return 1; }
}

exits() { # STATUS COMMAND...
  local status=0 want=$1
  shift
  "$@" || status=$?
  same "$want" "$status"
}

checks_end() {
  echo "suite: $checks_passed passed, $checks_failed failed"
  [ $checks_failed = 0 ]
}
