# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Kafka: one node, broker and KRaft controller in one process, tuned for tests
# (short sessions, small buffers). What decides correctness is left as Kafka
# ships it, above all transaction.partition.verification.enable.
#
# WEIR_SANDBOX_FOR=load: as Kafka is shipped, with its own start script's options
# of the JVM, which take a minute of work to pay, and its threads and segments.
#
# Lines of D/kafka/extra.properties, when there is one, are added at each start.

kafka_ports() { echo broker controller; }

# WEIR_SANDBOX_KAFKA: another version than the newest; a sandbox keeps the one
# that it was made with.
kafka_version() { cat "$D/kafka/version" 2>/dev/null || echo "${WEIR_SANDBOX_KAFKA:-4.3.1}"; }

kafka_deps() {
  local v
  v=$(kafka_version)
  if [ "$v" = 4.3.1 ]; then echo sandbox; else echo "kafka-$v"; fi
}

kafka_java() { # OPTION... CLASS ARG...: the command line, in the array JAVA
  local k jars
  k="$CACHE/kafka-$(kafka_version)"
  # In one order always: the class archive is only used with the classpath it
  # was made with.
  jars=$(printf '%s:' "$k"/lib/*.jar)
  JAVA=(java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1)
  if for_load; then
    JAVA=(java -server -Xms1g -Xmx1g -XX:+UseG1GC -XX:MaxGCPauseMillis=20
      -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent)
  fi
  JAVA+=(-XX:-UsePerfData
    -Dorg.slf4j.simpleLogger.showDateTime=true
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS"
    -cp "${jars%:}")
  if [ -n "${WEIR_SANDBOX_MAKE_JSA:-}" ]; then
    JAVA+=("-XX:ArchiveClassesAtExit=$WEIR_SANDBOX_MAKE_JSA")
  elif [ -e "$k/kafka.jsa" ]; then
    JAVA+=("-XX:SharedArchiveFile=$k/kafka.jsa" -Xlog:cds=off)
  fi
  JAVA+=("$@")
}

kafka_id() { cat "$D/kafka/cluster.id"; }

kafka_config() {
  local b c
  b=$(port kafka.broker) c=$(port kafka.controller)
  cat <<END
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$b,CONTROLLER://127.0.0.1:$c
advertised.listeners=PLAINTEXT://127.0.0.1:$b
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.quorum.voters=1@127.0.0.1:$c
log.dirs=$D/kafka/data
auto.create.topics.enable=false
# records of any age: a retention of a week deletes last year's, by their own time stamps
log.retention.ms=-1
# transactions and offsets on one node
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# fast first rebalance, short sessions
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=200
group.consumer.heartbeat.interval.ms=500
# fast broker-death detection
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
END
  for_load || cat <<END
# small memory
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.threads=1
num.network.threads=2
num.io.threads=2
background.threads=2
log.segment.bytes=16777216
END
  [ ! -e "$D/kafka/extra.properties" ] || cat "$D/kafka/extra.properties"
}

kafka_format() { # once in a sandbox's life; a leading '-' would be an option
  [ -s "$D/kafka/cluster.id" ] ||
    head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=' | sed 's/^-/w/' >"$D/kafka/cluster.id"
  [ ! -e "$D/kafka/data/meta.properties" ] || return 0
  local JAVA
  WEIR_SANDBOX_MAKE_JSA='' kafka_java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    kafka.tools.StorageTool format -t "$(kafka_id)" -c "$D/kafka/server.properties"
  "${JAVA[@]}" >>"$D/log/kafka.log" 2>&1
}

kafka_start() {
  local JAVA
  mkdir -p "$D/kafka"
  kafka_version >"$D/kafka/version.new" && mv "$D/kafka/version.new" "$D/kafka/version"
  kafka_config >"$D/kafka/server.properties"
  kafka_format || return 1
  kafka_java kafka.Kafka "$D/kafka/server.properties"
  (cd "$D/kafka" && spawn kafka "${JAVA[@]}")
}

# A Metadata request, version 2, for no topic. The reply must name a broker,
# and our own cluster: another one may have the port that we hoped for.
kafka_ready() {
  local size reply
  exec 8<>"/dev/tcp/127.0.0.1/$(port kafka.broker)" || return 1
  printf '\0\0\0\x12\0\x03\0\x02\0\0\0\x07\0\x04weir\0\0\0\0' >&8
  size=$(timeout 5 head -c 4 <&8 | od -An -tu1 | awk '{ print (($1*256+$2)*256+$3)*256+$4 }')
  reply=$([ "${size:-0}" -gt 0 ] && timeout 5 head -c "$size" <&8 | tr -d '\0')
  exec 8>&-
  [[ $reply == *127.0.0.1*"$(kafka_id)"* ]]
}

kafka_env() { echo "WEIR_BROKERS=127.0.0.1:$(port kafka.broker)"; }
