# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What up, down and ctl share: the sandbox folder, ports, processes.
#
# A process is known by its id together with its start time and the boot it
# belongs to, so an id that was given to another process is never signalled.
# Nothing here knows a server by name: servers/NAME.sh does (see README.md).

SANDBOX=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # for those who source this
ROOT=$(cd "$SANDBOX/../.." && pwd)
# shellcheck disable=SC2034
CACHE=${WEIR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir}
READY_SECONDS=${WEIR_SANDBOX_READY_SECONDS:-90}
STOP_SECONDS=${WEIR_SANDBOX_STOP_SECONDS:-20}
D=

say() { printf 'sandbox: %s\n' "$*" >&2; }
die() { say "$*"; exit 3; }   # the outside world failed
wrong() { say "$*"; exit 2; } # wrong use

for_load() { [ "${WEIR_SANDBOX_FOR:-tests}" = load ]; } # servers that are to be fast, not small

# ---- the folder ----

sandbox_open() { # DIR: D, as an absolute path, under lock until we exit
  if ! { mkdir -p "$1/log" "$1/run" && D=$(cd "$1" && pwd -P) &&
    exec 9>"$D/run/lock"; } 2>/dev/null; then
    die "cannot use the folder $1"
  fi
  flock 9
}

sandbox_is() { [ -d "$1/run" ] && [ -d "$1/log" ]; } # DIR

servers() { cat "$D/run/servers" 2>/dev/null || true; }

server_load() { # SERVER
  [[ $1 =~ ^[a-z]+$ && -f $SANDBOX/servers/$1.sh ]] || wrong "no such server: $1"
  # shellcheck source=/dev/null
  source "$SANDBOX/servers/$1.sh"
}

# ---- ports ----
# Below the range the kernel hands to clients: there, a client that retries a
# killed server's port can be given that very port and connect to itself.

port() { cat "$D/run/port.$1"; } # SERVER.NAME

port_taken() { # PORT: some socket listens on it
  grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [0-9A-F:]+ 0A" \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

listens() { # PID PORT: that process does, not another one that was faster
  local inode
  inode=$(awk -v p=":$(printf %04X "$2")\$" '$2 ~ p && $4 == "0A" { print $10 }' \
    /proc/net/tcp /proc/net/tcp6 | head -n 1)
  [ -n "$inode" ] && find "/proc/$1/fd" -lname "socket:\[$inode\]" | grep . >/dev/null
}

ports_choose() { # SERVER: keeps the ports it had when they are free
  local n p
  for n in $("$1_ports"); do
    p=$(port "$1.$n" 2>/dev/null || true)
    while [ -z "$p" ] || port_taken "$p"; do
      p=$((20000 + SRANDOM % 12000))
    done
    echo "$p" >"$D/run/port.$1.$n"
  done
}

# ---- processes ----

started() { # PID: when it started, or failure when it is gone
  local s
  { s=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # shellcheck disable=SC2086  # fields; the name before ')' may hold spaces
  set -- ${s##*) }
  [ "$1" != Z ] && echo "${20}@$(</proc/sys/kernel/random/boot_id)"
}

alive() { # SERVER: prints its process id
  local pid when
  { read -r pid when <"$D/run/$1.pid"; } 2>/dev/null || return 1
  [ "$(started "$pid")" = "$when" ] && echo "$pid"
}

spawn() { # SERVER COMMAND...: in the background, holding nothing of the caller's
  local s=$1 fd me
  shift
  rm -f "$D/run/$s.pid"
  (
    me=$BASHPID
    for fd in /proc/"$me"/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    exec </dev/null >>"$D/log/$s.log" 2>&1
    # The child itself writes it: whatever kills us, the process is on record.
    echo "$me $(started "$me")" >"$D/run/$s.pid.new"
    mv "$D/run/$s.pid.new" "$D/run/$s.pid"
    exec setsid "$@"
  ) &
  until [ -e "$D/run/$s.pid" ]; do sleep 0.01; done
}

server_signal() { # SERVER SIGNAL
  local pid
  pid=$(alive "$1") && kill "-$2" "$pid" 2>/dev/null
}

server_gone() { # SERVER SECONDS: waits until it is
  local end=$((SECONDS + $2))
  while alive "$1" >/dev/null; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
  rm -f "$D/run/$1.pid"
}

server_stop() { # SERVER [SIGNAL]
  if server_signal "$1" "${2:-TERM}"; then
    server_signal "$1" CONT || true # a paused one would never see it
    server_gone "$1" "$STOP_SECONDS" ||
      { say "$1 did not stop within $STOP_SECONDS s: killing it"
        server_signal "$1" KILL || true; }
  fi
  server_gone "$1" 10 || die "$1 does not go away"
}

server_wait() { # SERVER: until it answers; failure when it dies or takes too long
  local end=$((SECONDS + READY_SECONDS)) pid
  while [ $SECONDS -lt $end ]; do
    pid=$(alive "$1") || return 1
    "$1_ready" "$pid" 2>/dev/null && return 0
    sleep 0.05
  done
  return 1
}

server_failed() { # SERVER FROM: the log's tail on stderr, from byte FROM on
  say "$1 did not start; the end of $D/log/$1.log:"
  tail -c "+$(($2 + 1))" "$D/log/$1.log" | tail -n 20 >&2
}

server_start() { # SERVER [keep]: until it answers; keep = its old ports or none
  local tries from
  if alive "$1" >/dev/null; then
    server_wait "$1" || { server_failed "$1" 0; return 1; }
    return 0
  fi
  for tries in 1 2 3 4 5; do
    [ -n "${2:-}" ] || ports_choose "$1"
    touch "$D/log/$1.log"
    from=$(stat -c %s "$D/log/$1.log")
    "$1_start" && server_wait "$1" && return 0
    server_stop "$1" KILL
    # Taken between our look and its bind: other ports, once more.
    [ -z "${2:-}" ] || break
    tail -c "+$((from + 1))" "$D/log/$1.log" |
      grep -iE 'address already in use|bindexception|failed to bind' >/dev/null || break
    say "a port of $1 was taken meanwhile; try $tries"
    rm -f "$D/run/port.$1."*
  done
  server_failed "$1" "$from"
  return 1
}
