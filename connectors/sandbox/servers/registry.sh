# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A schema registry (Apicurio), spoken to through its Confluent-compatible API.
# Its data are a file database, so it needs nothing of the other servers, and
# each write reaches it before the reply (H2 would wait half a second). Its
# default compatibility level is NONE; PUT /config for another.

registry_deps() { echo registry; }

registry_ports() { echo port; }

registry_url() { echo "http://127.0.0.1:$(port registry.port)"; }

registry_start() {
  mkdir -p "$D/registry"
  spawn registry java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
    -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$(port registry.port)" \
    -Dapicurio.storage.sql.kind=h2 "-Dapicurio.datasource.url=jdbc:h2:file:$D/registry/db;WRITE_DELAY=0" \
    -jar "$CACHE/apicurio-3.0.9/apicurio-registry-app-3.0.9-runner.jar"
}

registry_ready() { # PID
  listens "$1" "$(port registry.port)" &&
    curl -sf -m 5 "$(registry_url)/apis/ccompat/v7/subjects" >/dev/null
}

registry_env() { echo "WEIR_REGISTRY=$(registry_url)/apis/ccompat/v7"; }
