# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Redis. Its log of writes reaches the kernel before each reply (but not the
# disk: appendfsync no), so data outlive a killed process and not a killed
# machine, and tests run at memory speed.

redis_ports() { echo port; }

redis_start() {
  local log=yes
  # Rewriting that log, again and again under load, costs more than the writes.
  ! for_load || log=no
  mkdir -p "$D/redis"
  # Debian's redis-tools holds the server under this name (see .ci/deps); what
  # it is, it learns from the name it is called by.
  ln -sf "$(command -v redis-server || command -v redis-check-rdb)" "$D/redis/redis-server"
  spawn redis "$D/redis/redis-server" --bind 127.0.0.1 --port "$(port redis.port)" \
    --dir "$D/redis" --save '' --appendonly "$log" --appendfsync no
}

redis_ready() { # PID: that process answers, not another one on the same port
  [ "$(redis-cli -p "$(port redis.port)" ping)" = PONG ] &&
    redis-cli -p "$(port redis.port)" info server | tr -d '\r' | grep -qx "process_id:$1"
}

redis_env() { echo "WEIR_REDIS=127.0.0.1:$(port redis.port)"; }
