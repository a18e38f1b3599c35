// SPDX-License-Identifier: Apache-2.0
//
// The options that every command understands under the same name, in the environment and in the
// node file too. A command's own ones stand in its file.
#include "cli/cli.h"

const struct option common_options[] = {
        {"brokers", OPT_TEXT, .value = "HOST:PORT,...", .help = "Kafka's bootstrap servers."},
        {"redis", OPT_TEXT, .value = "ADDRESS",
                .help = "The online store: host:port, a socket's path, or "
                        "redis://user@host:port/db."},
        {"redis-password", OPT_SECRET, .value = "SECRET", .help = "Redis's password."},
        {"redis-password-file", OPT_TEXT, .value = "FILE",
                .help = "A file whose first line is Redis's password. WEIR_REDIS_PASSWORD "
                        "may hold it instead."},
        {"registry", OPT_TEXT, .value = "URL",
                .help = "A schema registry with Confluent's API. Without one, rows are Avro "
                        "single objects."},
        {"registry-auth", OPT_SECRET, .value = "USER:PASSWORD",
                .help = "The registry's user and password."},
        {"registry-auth-file", OPT_TEXT, .value = "FILE",
                .help = "A file whose first line is the registry's user:password. "
                        "WEIR_REGISTRY_AUTH may hold it instead."},
        {"alertmanager", OPT_TEXT, .value = "URL",
                .help = "Where alerts of monitors are posted, to URL/api/v2/alerts: Alertmanager, "
                        "or what is compatible with it."},
        {"alertmanager-auth", OPT_SECRET, .value = "USER:PASSWORD",
                .help = "Alertmanager's user and password, or 'Bearer TOKEN'."},
        {"alertmanager-auth-file", OPT_TEXT, .value = "FILE",
                .help = "A file whose first line is Alertmanager's user:password, or 'Bearer "
                        "TOKEN'. WEIR_ALERTMANAGER_AUTH may hold it instead."},
        {"kafka-config", OPT_TEXT, .value = "FILE",
                .help = "librdkafka properties, name=value lines, for security and tuning; "
                        "${env:NAME} and ${file:PATH} stand for secrets."},
        {"prefix", OPT_TEXT, .fallback = "weir", .value = "NAME",
                .help = "First word of every topic, group, transactional id and Redis key."},
        {"state", OPT_TEXT, .fallback = "weir-state", .value = "DIR",
                .help = "The node's state folder, with its node id. One per node."},
        {"memory", OPT_BYTES, .fallback = "512M", .min = 64 << 20, .value = "BYTES",
                .help = "The node's whole memory budget: queues, tables, caches."},
        {"commit-interval", OPT_DURATION, .fallback = "500ms", .min = 1, .max = 3600000,
                .value = "DURATION",
                .help = "Within how long of its coming an event is committed while the "
                        "engine keeps up, and how long an epoch takes records in while it is "
                        "behind. A job may say so itself, with 'commit:'."},
        {"changelog-min", OPT_BYTES, .fallback = "64M", .min = 1 << 10, .value = "BYTES",
                .help = "What a partition of a changelog may always hold; beyond it and three "
                        "times its state, the state is written again and the rest deleted."},
        {"standbys", OPT_INT, .fallback = "0", .min = 0, .max = 100, .value = "N",
                .help = "Warm copies of each task's state on other nodes; every node should "
                        "have the same N. A takeover by a node that has one is quick."},
        {"static-member", OPT_FLAG,
                .help = "Keep the node's place in its groups over a restart: nobody takes its "
                        "partitions over until the session times out."},
        {"http", OPT_TEXT, .fallback = "127.0.0.1:8080", .value = "HOST:PORT",
                .help = "The node's HTTP address: where it listens, or whom to ask. Port 0 "
                        "is a free one."},
        {"format", OPT_CHOICE, .fallback = "table", .value = "table|json",
                .help = "How answers are printed."},
        {"log-level", OPT_CHOICE, .fallback = "info", .value = "error|warn|info|debug",
                .help = "What a node logs on standard error; other commands log errors alone "
                        "unless it is given."},
        {"config", OPT_TEXT, .value = "FILE",
                .help = "The node file, lines of 'name: value' with these names; default: "
                        "weir.yaml in the working folder, if there is one."},
        {0}};
