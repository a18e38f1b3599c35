// SPDX-License-Identifier: Apache-2.0
//
// Broken job files: what is said, where, and what is suggested. Each case is a good file with
// one text replaced (or a whole file), and the first error that is expected, or all of them.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lang/job.h"
#include "operators/aggregates.h"

static const struct format json = {.name = "json"}, avro = {.name = "avro"};
static const struct format *const formats[] = {&json, &avro, NULL};
static const struct lang_env env = {.formats = formats, .aggregates = aggregates};

static const char good[] =
        /*  1 */ "job: flights\n"
                 /*  2 */ "sources:\n"
                 /*  3 */ "  arrivals:\n"
                 /*  4 */ "    topic: arrivals\n"
                 /*  5 */ "    format: json\n"
                 /*  6 */ "    schema: {type: record, name: arrival, fields: [{name: at, type: "
                 "{type: long, logicalType: "
                 "timestamp-millis}}, {name: tailnum, type: string}, {name: dest, type: "
                 "string}, {name: arr_delay, "
                 "type: [\"null\", int]}, {name: cancelled, type: boolean}, {name: weight, "
                 "type: double}, {name: kind, "
                 "type: {type: enum, name: kind, symbols: [CARGO, PEOPLE]}}, {name: plane, "
                 "type: {type: record, name: "
                 "plane, fields: [{name: year, type: int}]}}, {name: tags, type: {type: array, "
                 "items: string}}]}\n"
                 /*  7 */ "    time: at\n"
                 /*  8 */ "    key: tailnum\n"
                 /*  9 */ "    lateness: 10m\n"
                 /* 10 */ "views:\n"
                 /* 11 */ "  delays:\n"
                 /* 12 */ "    entity: [tailnum]\n"
                 /* 13 */ "    from: arrivals\n"
                 /* 14 */ "    where: not cancelled\n"
                 /* 15 */ "    features:\n"
                 /* 16 */ "      flights_7d:  count() over 7d\n"
                 /* 17 */ "      mean_24h:    avg(arr_delay) over 24h\n"
                 /* 18 */ "      p95_30d:     quantile(arr_delay, 0.95) over 30d\n"
                 /* 19 */ "      late_7d:     count() over 7d where arr_delay > 15\n"
                 /* 20 */ "      late_share:  late_7d / flights_7d\n"
                 /* 21 */ "      last_dest:   last(dest)\n";

/* Most cases leave errors out. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static const struct broken {
	const char *from, *to; /* from NULL: to is the whole file */
	int line, column;
	const char *message, *suggestion; /* message: a part of it */
	uint32_t errors;                  /* 0: one */
} brokens[] = {
        /* keys */
        {"job: flights", "jop: flights", 1, 1, "the job file has no key 'jop'", "job"},
        {"sources:", "source:", 2, 1, "the job file has no key 'source'", "sources"},
        {"views:", "view:", 10, 1, "the job file has no key 'view'", "views"},
        {"    topic:", "    topik:", 4, 5, "source 'arrivals' has no key 'topik'", "topic"},
        {"    lateness:", "    latness:", 9, 5, "has no key 'latness'", "lateness"},
        {"    format:", "    fromat:", 5, 5, "has no key 'fromat'", "format"},
        {"    entity:", "    entitiy:", 12, 5, "view 'delays' has no key 'entitiy'", "entity"},
        {"    where:", "    wehre:", 14, 5, "has no key 'wehre'", "where"},
        {"    features:", "    feature:", 15, 5, "has no key 'feature'", "features"},
        {"    where: not cancelled", "    offline: {retension: 400d}", 14, 15,
                "'offline' has no key 'retension'", "retention"},
        {"    where: not cancelled", "    offline: block", 14, 14,
                "the layout of an offline topic is rows or blocks", "blocks"},
        {"    where: not cancelled", "    offline: {layout: row}", 14, 23,
                "the layout of an offline topic is rows or blocks", "rows"},
        {"    where: not cancelled", "    offline: {layout: [rows]}", 14, 23,
                "'layout' needs one text", NULL},
        {"    where: not cancelled", "    offline: [blocks]", 14, 14, "'offline'", NULL},
        {"last(dest)\n", "{exprs: last(dest)}\n", 21, 21, "has no key 'exprs'", "expr"},
        {"    key: tailnum\n", "    key: tailnum\n    zzzzz: 1\n", 9, 5, "has no key 'zzzzz'",
                NULL},
        {"job: flights\n", "job: flights\n<<: {a: b}\n", 2, 1, "has no key '<<'", NULL},
        /* what is missing or empty */
        {"    topic: arrivals\n", "", 3, 3, "source 'arrivals' needs the key 'topic'", NULL},
        {"    time: at\n", "", 3, 3, "needs the key 'time'", NULL},
        {"    from: arrivals\n", "", 11, 3, "view 'delays' needs the key 'from'", NULL},
        {"    topic: arrivals", "    topic:", 4, 5, "'topic' needs one text", NULL},
        {"    topic: arrivals", "    topic: [a, b]", 4, 12, "'topic' needs one text", NULL},
        {"    topic: arrivals", "    topic: flight arrivals", 4, 12, "a Kafka topic's name",
                NULL},
        {"    where: not cancelled", "    where:", 14, 5, "'where' needs a condition", NULL},
        {"    entity: [tailnum]", "    entity: []", 12, 13, "'entity' needs a list of columns",
                NULL},
        {"    entity: [tailnum]", "    entity:", 12, 5, "'entity' needs a list of columns",
                NULL},
        {"last(dest)\n", "\n", 21, 7, "an expression is expected", NULL},
        {"last(dest)\n", "''\n", 21, 21, "an expression is expected", NULL},
        {"last(dest)\n", "[a]\n", 21, 20, "an expression is expected", NULL},
        {NULL, "", 0, 0, "the job file is empty", NULL},
        {NULL, "# nothing\n", 0, 0, "the job file is empty", NULL},
        {NULL, "---\n", 0, 0, "the job file is empty", NULL},
        {NULL, "flights\n", 1, 1, "the job file needs keys and values", NULL},
        {NULL, "- a\n- b\n", 1, 1, "the job file needs keys and values", NULL},
        {NULL, "job: x\nsources:\nviews:\n", 2, 1, "'sources' needs at least one source", NULL,
                2},
        {NULL, "job: x\nsources: {}\nviews: []\n", 2, 1, "'sources' needs at least one source",
                NULL, 2},
        /* names */
        {"job: flights", "job: Flights", 1, 6, "a job's name is a lower-case letter",
                "flights"},
        {"job: flights", "job: my flights", 1, 6, "a job's name", "my_flights"},
        {"job: flights", "job: _flights", 1, 6, "names that start with _ are reserved",
                "flights"},
        {"  delays:", "  plane-delays:", 11, 3, "a view's name is a letter", "plane_delays"},
        {"      p95_30d:", "      95th:", 18, 7, "a feature's name is a letter", "th"},
        {"      p95_30d:", "      _p95:", 18, 7, "reserved", "p95"},
        {"      p95_30d:", "      known_at:", 18, 7, "every row has a column 'known_at'", NULL},
        {"      p95_30d:", "      tailnum:", 18, 7, "'tailnum' is an entity column", NULL},
        {"      p95_30d:", "      Flights_7D:", 18, 7,
                "differs from the feature 'flights_7d' in case", NULL},
        /* words out of a list */
        {"format: json", "format: jsno", 5, 13, "there is no format 'jsno'", "json"},
        {"format: json", "format: debezium-json", 5, 13,
                "format 'debezium-json' is not supported yet", NULL},
        {"format: json", "format: csv", 5, 13, "there is no format 'csv'", NULL},
        {"from: arrivals", "from: arivals", 13, 11, "there is no source 'arivals'", "arrivals"},
        {"    where: not cancelled", "    expiry: emits", 14, 13, "'expiry' is emit or none",
                "emit"},
        {"    key: tailnum", "    start: earlyest", 8, 12, "'start' is earliest, latest or",
                "earliest"},
        {"    where: not cancelled", "    version: two", 14, 14,
                "'version' needs a whole number from 1", NULL},
        {"    where: not cancelled", "    version: 0", 14, 14,
                "'version' needs a whole number from 1", NULL},
        {"    where: not cancelled", "    shards: 99999", 14, 13,
                "'shards' needs a whole number from 1 to 1024", NULL},
        {"job: flights", "job: flights\nworkers: many", 2, 10, "'workers' needs a whole number",
                NULL},
        {"job: flights", "job: flights\ncommit: 1ms", 2, 9, "'commit' must be at least 10ms",
                NULL},
        /* durations */
        {"lateness: 10m", "lateness: 10 minutes", 9, 15, "not a duration", "10m"},
        {"lateness: 10m", "lateness: 10", 9, 15, "not a duration", "10s"},
        {"lateness: 10m", "lateness: ten", 9, 15, "not a duration", NULL},
        {"lateness: 10m", "lateness: -5m", 9, 15, "not a duration", NULL},
        {"lateness: 10m", "lateness: 99999999d", 9, 15, "not a duration", NULL},
        {"count() over 7d\n", "count() over 7days\n", 16, 33, "not a duration", "7d"},
        {"count() over 7d\n", "count() over 7 days\n", 16, 33, "not a duration", "7d"},
        {"count() over 7d\n", "count() over seven\n", 16, 33, "a duration like", NULL},
        {"count() over 7d\n", "count() over tumblin 7d\n", 16, 33, "a duration like",
                "tumbling"},
        {"    where: not cancelled", "    ttl: 30days", 14, 10, "not a duration", "30d"},
        {"    where: not cancelled", "    ttl: 0d", 14, 10, "'ttl' must be at least 1s", NULL},
        /* columns */
        {"time: at", "time: att", 7, 11, "source 'arrivals' has no column 'att'", "at"},
        {"time: at", "time: arr_delay", 7, 11, "event time is a timestamp-millis", NULL},
        {"key: tailnum", "key: tailnumm", 8, 10, "has no column 'tailnumm'", "tailnum"},
        {"entity: [tailnum]", "entity: [tailnun]", 12, 14, "has no column 'tailnun'",
                "tailnum"},
        {"entity: [tailnum]", "entity: [tailnum, tailnum]", 12, 23, "in the entity already",
                NULL},
        {"entity: [tailnum]", "entity: [weight]", 12, 14, "an entity column cannot be a double",
                NULL},
        {"entity: [tailnum]", "entity: [tailnum, [dest]]", 12, 23, "the name of a column",
                NULL},
        {"where: not cancelled", "where: not canceled", 14, 16, "has no column 'canceled'",
                "cancelled"},
        {"where: not cancelled", "where: arr_delay", 14, 12, "where needs a condition, not int",
                NULL},
        {"where: not cancelled", "where: late_7d > 3", 14, 12,
                "'late_7d' is a feature: the view's where takes", NULL},
        {"where: not cancelled", "where: count() > 3", 14, 12,
                "aggregate 'count' stands in the view's where", NULL},
        {"avg(arr_delay)", "avg(arrdelay)", 17, 24, "has no column 'arrdelay'", "arr_delay"},
        {"last(dest)", "last(plane.yaer)", 21, 25, "has no column 'plane.yaer'", "plane.year"},
        {"last(dest)", "last(late_7d)", 21, 25,
                "'late_7d' is a feature: an aggregate takes columns", NULL},
        {"last(dest)", "dest", 21, 20, "column 'dest' stands outside an aggregate",
                "last(dest)"},
        {"last(dest)", "count() + arr_delay", 21, 30, "stands outside an aggregate",
                "last(arr_delay)"},
        /* aggregates and functions */
        {"avg(arr_delay)", "agv(arr_delay)", 17, 20, "there is no function 'agv'", "avg"},
        {"quantile(", "quantil(", 18, 20, "there is no function 'quantil'", "quantile"},
        {"last(dest)", "mode(dest)", 21, 20, "there is no function 'mode'", NULL},
        {"avg(arr_delay)", "avg(dest)", 17, 24, "number", NULL},
        {"avg(arr_delay)", "avg()", 17, 20, "wrong number of arguments for avg", "avg(x)"},
        {"0.95", "1.5", 18, 29, "must be between 0 and 1", NULL},
        {"0.95", "weight", 18, 40, "a number is expected here", NULL},
        {"last(dest)", "last(count())", 21, 25, "aggregate 'count' stands inside an aggregate",
                NULL},
        {"late_7d / flights_7d", "count() where not (count() > 1)", 20, 39,
                "stands inside an aggregate", NULL},
        {"last(dest)", "last(null)", 21, 25, "null alone has no type", NULL},
        /* null is not a value to compare with */
        {"last(dest)", "last(dest) where arr_delay = null", 21, 37,
                "comparing with null gives null, always", "arr_delay is null"},
        {"last(dest)", "last(dest) where not null != arr_delay + 1", 21, 41,
                "comparing with null gives null", "arr_delay + 1 is not null"},
        {"last(dest)", "last(dest) where (arr_delay > 1) = (null)", 21, 38,
                "comparing with null gives null", "arr_delay > 1 is null"},
        {"last(dest)", "last(dest) where arr_delay <= null", 21, 37,
                "comparing with null gives null", NULL},
        {"last(dest)", "last(dest) where arrdelay = null", 21, 37, "no column 'arrdelay'",
                "arr_delay"},
        {"last(dest)", "last(dest) where arr_delay == null", 21, 47,
                "there is no such operator", "arr_delay is null"},
        {"last(dest)", "last(dest) where plane.year <> null", 21, 48,
                "there is no such operator", "plane.year is not null"},
        {"last(dest)", "last(dest) where null == arr_delay", 21, 42,
                "there is no such operator", "x is null"},
        {"last(dest)", "last(dest) where arr_delay == 3", 21, 47,
                "there is no such operator", "="},
        {"last(dest)", "last(dest) where arr_delay = NULL", 21, 49, "no column 'NULL'",
                "null"},
        /* count(x) counts what is there, false too */
        {"last(dest)", "count(dest = 'EWR') over 24h", 21, 26,
                "count counts false too: count() where … counts what is true",
                "count() over 1d where dest = 'EWR'"},
        {"last(dest)", "count(not cancelled) where weight > 1 or weight < 0", 21, 26,
                "count counts false too",
                "count() where (weight > 1 or weight < 0) and not cancelled"},
        {"last(dest)", "count(starts_with(dest, 'E'))", 21, 26, "count counts false too",
                "count() where starts_with(dest, 'E')"},
        {"last(dest)", "sum(dest = 'EWR')", 21, 24, "count() where … counts what is true",
                NULL},
        /* words in the wrong place: never suggested as they are */
        {"last(dest)", "last(dest) where weight > 1 over 24h", 21, 48,
                "`over WINDOW` stands right behind the aggregate, before its `where`", NULL},
        {"last(dest)", "last(dest over 1h)", 21, 30, "`over WINDOW` stands right behind", NULL},
        {"late_7d / flights_7d", "late_7d / flights_7d over 1h", 20, 41,
                "`over WINDOW` stands right behind", NULL},
        {"last(dest)", "case when (late_7d over 1h) > 1 then 1 end", 21, 39,
                "`over WINDOW` stands right behind", NULL},
        {"last(dest)", "case when late_7d over 1h then 1 end", 21, 38,
                "`over WINDOW` stands right behind", NULL},
        {"last(dest)", "last(dest where weight > 1)", 21, 30,
                "`where` stands once, right behind the aggregate", NULL},
        {"last(dest)", "last(dest) over 1h every 5m every 5m", 21, 48,
                "`every` stands once, right behind the window's size", NULL},
        {"last(dest)", "last(dest) oevr 1h", 21, 31, "an operator or the end expected", "over"},
        /* habits of other languages */
        {"avg(arr_delay)", "mean(arr_delay)", 17, 20, "there is no function 'mean'", "avg"},
        {"avg(arr_delay)", "Mean(arr_delay)", 17, 20, "there is no function 'Mean'", "avg"},
        {"last(dest)", "count_distinct(dest)", 21, 20, "there is no function", "distinct"},
        {"last(dest)", "nunique(dest)", 21, 20, "there is no function", "distinct"},
        {"last(dest)", "uniq(dest)", 21, 20, "there is no function", "distinct"},
        {"quantile(", "percentile(", 18, 20, "there is no function", "quantile"},
        {"quantile(", "percentile_cont(", 18, 20, "there is no function", "quantile"},
        {"avg(arr_delay)", "variance(arr_delay)", 17, 20, "there is no function", "var"},
        {"avg(arr_delay)", "std(arr_delay)", 17, 20, "there is no function", "stddev"},
        {"avg(arr_delay)", "stdev(arr_delay)", 17, 20, "there is no function", "stddev"},
        {"last(dest)", "last_value(dest)", 21, 20, "there is no function", "last"},
        {"last(dest)", "first_value(dest)", 21, 20, "there is no function", "first"},
        {"last(dest)", "last(date_diff('day', at, now()))", 21, 46,
                "there is no function 'now'; there is no clock: time is the events' own", NULL},
        {"last(dest)", "last(date_diff('day', at, current_timestamp))", 21, 46,
                "no column 'current_timestamp'; there is no clock", NULL},
        {"last(dest)", "date_diff('day', CURRENT_TIMESTAMP, late_7d)", 21, 37,
                "no feature or column 'CURRENT_TIMESTAMP'; there is no clock", NULL},
        {"last(dest)", "count(*)", 21, 26, "count() without arguments counts all events",
                "count()"},
        {"last(dest)", "COUNT( * ) over 1h", 21, 27,
                "count() without arguments counts all events", "count()"},
        {"last(dest)", "last(*)", 21, 25, "there is no `*` for all columns", NULL},
        {"last(dest)", "count(distinct dest)", 21, 26, "distinct is an aggregate of its own",
                "distinct(dest)"},
        {"last(dest)", "COUNT(DISTINCT dest) over 1h", 21, 26,
                "distinct is an aggregate of its own", "distinct(dest)"},
        {"last(dest)", "count(distinct(dest))", 21, 26, "distinct is an aggregate of its own",
                "distinct(x)"},
        {"last(dest)", "sum(distinct arr_delay)", 21, 24,
                "distinct is an aggregate of its own", NULL},
        {"last(dest)", "last(distinct)", 21, 25, "no column 'distinct'", NULL},
        /* capitals */
        {"last(dest)", "LAST(dest)", 21, 20, "there is no function 'LAST'", "last"},
        {"last(dest)", "CASE WHEN late_7d > 1 THEN 1 END", 21, 20, "keywords are lower case",
                "case"},
        {"last(dest)", "case when late_7d > 1 THEN 1 end", 21, 42, "'then' expected", "then"},
        {"last(dest)", "case when late_7d > 1 then 1 END", 21, 49, "'end' expected", "end"},
        {"last(dest)", "CAST(last(dest) as int)", 21, 20, "keywords are lower case", "cast"},
        {"last(dest)", "last(dest) where NOT cancelled", 21, 37, "keywords are lower case",
                "not"},
        {"last(dest)", "last(dest) where NOT (cancelled)", 21, 37, "keywords are lower case",
                "not"},
        {"last(dest)", "last(dest) where cancelled AND weight > 1", 21, 47,
                "an operator or the end expected", "and"},
        {"last(dest)", "last(dest) where arr_delay IS NOT NULL", 21, 47,
                "an operator or the end expected", "is"},
        {"last(dest)", "last(dest) where arr_delay is NOT null", 21, 50, "'null' expected",
                "not"},
        {"last(dest)", "last(dest) where TRUE", 21, 37, "no column 'TRUE'", "true"},
        {"last(dest)", "last(dest) where weight", 21, 37, "where needs a condition, not double",
                NULL},
        {"last(dest)", "last(dest) where kind = 'CARG'", 21, 44, "is not a symbol", "'CARGO'"},
        {"last(dest)", "lower(last(dest)) over 7d", 21, 38, "'lower' is not an aggregate",
                NULL},
        {"last(dest)", "(null)", 21, 21, "has no type", "cast(null as double)"},
        {"last(dest)", "last(cast(dest as sting))", 21, 38, "there is no type 'sting'",
                "string"},
        {"arr_delay > 15", "arr_delay > '15'", 19, 42, "cannot compare int with string", NULL},
        /* windows */
        {"count() over 7d\n", "count() over session 30m\n", 16, 33,
                "`session` windows are not supported yet", NULL},
        {"count() over 7d\n", "count() over last 10\n", 16, 33,
                "`last N` windows are not supported yet", NULL},
        {"count() over 7d\n", "count() over 500ms\n", 16, 33, "a window is at least 1s long",
                "1s"},
        {"count() over 7d\n", "count() over 1h every 100ms\n", 16, 42,
                "moves on by at least 1s", "1s"},
        {"count() over 7d\n", "count() over 1h every 2h\n", 16, 42, "at most its own length",
                NULL},
        {"count() over 7d\n", "count() over 365d every 1m\n", 16, 44, "525600 tiles", NULL},
        {"count() over 7d\n", "count() over tumbling 1d every 1h\n", 16, 45, "has no `every`",
                NULL},
        /* features of features */
        {"late_7d / flights_7d", "late_7d / flihgts_7d", 20, 30,
                "no feature or column 'flihgts_7d'", "flights_7d"},
        {"late_7d / flights_7d", "late_share / 2", 20, 20,
                "feature 'late_share' refers to itself", NULL},
        {"      flights_7d:  count() over 7d", "      flights_7d:  late_7d * 2", 16, 20,
                "comes further down", NULL},
        {"late_7d / flights_7d", "late_7d / flights_7d and true", 20, 20,
                "and needs a condition, not double", NULL},
        {"avg(arr_delay) over 24h", "late_share * 2", 17, 20,
                "feature 'late_share' comes further down", NULL},
        /* not yet */
        {"views:\n", "tables: {p: {topic: p}}\nviews:\n", 10, 1,
                "'tables' is not supported yet", NULL},
        {"    where: not cancelled", "    join: {planes: tailnum}", 14, 5,
                "'join' is not supported yet", NULL},
        /* schemas */
        {"{type: record, name: arrival", "{type: recrod, name: arrival", 6, 13,
                "the schema is wrong", NULL},
        {"{name: arr_delay, type: [\"null\", int]}", "{name: arr_delay, type: integer}", 6, 13,
                "the schema is wrong", NULL},
        {"    lateness: 10m\n",
                "    lateness: 10m\n  other:\n    topic: o\n    format: json\n    schema: "
                "none.avsc\n    "
                "time: at\n",
                13, 13, "none.avsc' cannot be opened", NULL},
        {"    lateness: 10m\n",
                "    lateness: 10m\n  other:\n    topic: o\n    format: json\n    schema: >\n  "
                "    "
                "a.avsc\n    time: at\n",
                14, 7, "stands on the line of its key", NULL},
        {"    lateness: 10m\n",
                "    lateness: 10m\n  other:\n    topic: o\n    format: json\n    schema: "
                "'{\"type\"'\n    "
                "time: at\n",
                13, 14, "the schema is not JSON", NULL},
        /* YAML itself */
        {"    topic: arrivals", "\ttopic: arrivals", 4, 1, "not with tabs", "spaces"},
        {"    topic: arrivals", "   topic: arrivals", 4, 11, "not YAML", NULL},
        {"job: flights", "job: 'flights", 1, 6, "not YAML", NULL},
        {"[tailnum]", "[tailnum", 14, 10, "not YAML", NULL},
        {"job: flights", "job: flights: again", 1, 13, "not YAML", NULL},
        {"job: flights", "job: flights\njob: again", 2, 1,
                "'job' is here twice; it is in line 1", NULL},
        {"      last_dest:", "      late_7d:", 21, 7,
                "'late_7d' is here twice; it is in line 19", NULL},
        {"      last_dest:", "      late_7d: lats(dest)\n      last_dest: lats(dest)\n      x:", 21, 7,
                "'late_7d' is here twice; it is in line 19", NULL, 2},
        {"    topic: arrivals", "    \"topic\": arrivals\n    'topic': [wrong]", 5, 6,
                "'topic' is here twice; it is in line 4", NULL},
        {"    lateness: 10m\n", "    lateness: 10x\n    lateness: 10m\n    topic: x\n", 9, 15,
                "not a duration", NULL, 3},
        {"last(dest)", "last(dest) where dest = 'x #1'", 21, 44,
                "this text has no closing quote; an expression with `: ` or ` #` in it goes in",
                NULL},
        {"last(dest)", "last(dest) where dest = 'x: y'", 21, 46,
                "goes in double quotes", NULL},
        {"last(dest)", "\"last(dest) where dest = 'x\"", 21, 45,
                "this text has no closing quote", NULL},
        {"schema: {type: record, name: arrival, fields: [{name: at, type: {type: long, logicalType: "
         "timestamp-millis}}",
                "schema: {type: record, name: arrival, fields: [{name: at, type: timestamp-millis}",
                6, 13, "write {\"type\": \"long\", \"logicalType\": \"timestamp-millis\"}", NULL},
        {"job: flights", "job: flights\n---\njob: again", 2, 1, "a second one starts here",
                NULL},
        {"job: flights", "job: *name", 1, 6, "no such anchor", NULL},
        {"job: flights", "job: &a [*a]", 1, 10, "inside what it repeats", NULL},
        {"job: flights", "job: !!str flights", 1, 12, "YAML tags mean nothing", NULL},
        {"job: flights", "job: %flights", 1, 6, "not YAML", NULL},
        {"job: flights", "? [a, b]\n: c\njob: flights", 1, 3, "a key must be a word", NULL},
        {"job: flights", "job: flights\n: y", 1, 13, "a key must be a word", NULL},
        {"job: flights", "job: fl\xffights", 1, 8, "not UTF-8", NULL},
        {"job: flights", "job: fl\x01ights", 1, 8, "not UTF-8", NULL},
        {"last(dest)", "'x' = dest", 21, 24, "not YAML", NULL},
        /* places inside quoted, folded and many-line texts */
        {"last(dest)", "\"last(dset)\"", 21, 26, "no column 'dset'", "dest"},
        {"last(dest)", "'last(case when dest = ''EWR'' then dset end)'", 21, 56,
                "no column 'dset'", "dest"},
        {"last(dest)", "\"last(case when dest = 'a\\u00e9b' then dset end)\"", 21, 59,
                "no column 'dset'", "dest"},
        {"last(dest)\n", "last(dest)\n        where\n          arrdelay > 3\n", 23, 11,
                "no column 'arrdelay'", "arr_delay"},
        {"last(dest)\n", "|\n        last(dest)\n        where dset = 'x'\n", 23, 15,
                "no column 'dset'", "dest"},
        {"last(dest)\n", ">-\n        last(dest)\n        where\n\n        dset = 'x'\n", 25, 9,
                "no column 'dset'", "dest"},
        {"last(dest)\n", "'last(dest)\n        where   dset = ''x'''\n", 22, 17,
                "no column 'dset'", "dest"},
        {"last(dest)\n", "{expr: last(dset), description: x}\n", 21, 32, "no column 'dset'",
                "dest"},
        {"last(dest)\n", "{description: h\xc3\xa9h\xc3\xa9, expr: last(dset)}\n", 21, 51,
                "no column 'dset'", "dest"},
};

/* The good file with one text replaced. */
static char *file_of(const struct broken *x)
{
	if (!x->from)
		return xstrdup(x->to);
	const char *at = strstr(good, x->from);
	ck_assert_msg(at != NULL, "'%s' is not in the good file", x->from);
	size_t head = (size_t)(at - good), size = sizeof good + strlen(x->to);
	char *text = xcalloc(1, size + 1);
	snprintf(text, size, "%.*s%s%s", (int)head, good, x->to, at + strlen(x->from));
	return text;
}

static void check_one(const struct broken *x, const struct diagnostics *d)
{
	const struct diagnostic *e = &d->items[0];
	const char *name = x->to;
	ck_assert_msg(strstr(e->message, x->message) != NULL, "%s: %s", name, e->message);
	ck_assert_msg(e->line == x->line && e->column == x->column, "%s: %d:%d, not %d:%d (%s)",
	        name, e->line, e->column, x->line, x->column, e->message);
	ck_assert_msg((e->suggestion == NULL) == (x->suggestion == NULL) &&
	                      (!e->suggestion || strcmp(e->suggestion, x->suggestion) == 0),
	        "%s: suggests %s", name, e->suggestion ? e->suggestion : "nothing");
	ck_assert_str_eq(e->file, "jobs/x.yaml");
}

START_TEST(test_broken)
{
	const struct broken *x = &brokens[_i];
	char *text = file_of(x);
	struct diagnostics d;
	struct job *j;
	struct buf b;
	diagnostics_init(&d);
	buf_init(&b);
	ck_assert_msg(
	        job_parse(slice_of(text), "jobs/x.yaml", "/nowhere", &env, &j, &d) == ST_ERR,
	        "%s: accepted", x->to);
	ck_assert_ptr_null(j);
	diagnostics_print(&d, &b);
	ck_assert_msg(d.n == (x->errors ? x->errors : 1), "%s: %u errors:\n%s", x->to, d.n,
	        buf_cstr(&b));
	check_one(x, &d);
	buf_release(&b);
	diagnostics_release(&d);
	free(text);
}
END_TEST

/* What stands close to an error of the table and is none. */
static const struct broken accepted[] = {
        {"last(dest)", "last(dest)"},
        {"last(dest)", "count(cancelled)"},
        {"last(dest)", "count(case when dest = 'EWR' then true end)"},
        {"last(dest)", "count(cast(dest as boolean))"},
        {"last(dest)", "count(nullif(dest = 'EWR', false))"},
        {"last(dest)", "last(dest) where arr_delay = cast(null as int)"},
        {"last(dest)", "last(dest) where arr_delay in (1, null)"},
        {"last(dest)", "distinct(dest) over 1h"},
};

START_TEST(test_good)
{
	struct diagnostics d;
	struct job *j;
	char *text = file_of(&accepted[_i]);
	diagnostics_init(&d);
	enum status s = job_parse(slice_of(text), "jobs/x.yaml", NULL, &env, &j, &d);
	ck_assert_msg(s == ST_OK, "%s: %s", accepted[_i].to,
	        d.n ? d.items[0].message : "no error");
	job_free(j);
	diagnostics_release(&d);
	free(text);
}
END_TEST

/* All errors of a file, in the order of the file, each once. */
START_TEST(test_all_errors)
{
	static const char text[] =
	        "job: Bad\nsources:\n  s:\n    topic: t\n    format: jsn\n    lateness: 1x\n"
	        "    schema: {type: record, name: r, fields: [{name: at, type: string}, {name: "
	        "id, type: string}]}\n"
	        "    time: at\nviews:\n  v:\n    from: s\n    entity: [idd]\n    where: at >\n "
	        "   features:\n"
	        "      a: cont() over 7d\n      b: a + 1\n      c: last(at) + 1\n      d: "
	        "lst(id) + lst(at)\n"
	        "      e: sum(id) over 5x\n";
	static const int lines[] = {1, 5, 6, 12, 13, 15, 17, 18, 18, 19};
	struct diagnostics d;
	struct job *j;
	diagnostics_init(&d);
	ck_assert_int_eq(job_parse(slice_of(text), "x", NULL, &env, &j, &d), ST_ERR);
	ck_assert_uint_eq(d.n, sizeof lines / sizeof *lines);
	for (uint32_t i = 0; i < d.n; i++)
		ck_assert_msg(d.items[i].line == lines[i], "error %u in line %d: %s", i,
		        d.items[i].line, d.items[i].message);
	diagnostics_release(&d);
}
END_TEST

START_TEST(test_print)
{
	static const char text[] = "job: flights\nvews: 1\n";
	static const char expected[] =
	        "x.yaml:1:1: error: the job file needs the key 'sources'\n  job: flights\n  ^\n"
	        "x.yaml:2:1: error: the job file has no key 'vews'\n  vews: 1\n  ^~~~\n"
	        "  did you mean views?\n";
	struct diagnostics d;
	struct job *j;
	struct buf b;
	diagnostics_init(&d);
	buf_init(&b);
	ck_assert_int_eq(job_parse(slice_of(text), "x.yaml", NULL, &env, &j, &d), ST_ERR);
	diagnostics_print(&d, &b);
	ck_assert_str_eq(buf_cstr(&b), expected);
	b.len = 0;
	diagnostics_json(&d, &b);
	ck_assert_ptr_nonnull(
	        strstr(buf_cstr(&b), "{\"file\":\"x.yaml\",\"line\":2,\"column\":1,\"width\":4,"
	                             "\"message\":\"the job file has no key 'vews'\","
	                             "\"suggestion\":\"views\",\"source_line\":\"vews: 1\"}]"));
	buf_release(&b);
	diagnostics_release(&d);
}
END_TEST

/* ---- hostile files: an error in under a second */

struct hostile {
	const char *name;
	void (*make)(struct buf *b);
	const char *message;
};

static void repeat(struct buf *b, const char *s, size_t bytes)
{
	size_t n = strlen(s);
	for (size_t i = 0; i + n <= bytes; i += n)
		buf_add(b, s, n);
}

static void make_huge(struct buf *b)
{
	repeat(b, "# filler\n", JOB_STORED_BYTES_MAX + 100);
}

static void make_deep_flow(struct buf *b)
{
	buf_str(b, "a: ");
	repeat(b, "[", JOB_FILE_BYTES_MAX - 10);
}

static void make_deep_block(struct buf *b)
{
	repeat(b, "- ", JOB_FILE_BYTES_MAX - 10);
}

static void make_deep_maps(struct buf *b)
{
	repeat(b, "{a: ", JOB_FILE_BYTES_MAX - 10);
}

static void make_bomb(struct buf *b)
{
	buf_str(b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 30; i++) {
		buf_printf(b, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_printf(b, "%s*a%d", k ? ", " : "", i - 1);
		buf_str(b, "]\n");
	}
}

/* A bomb of the right shape: each view is all of the features again. */
static void make_view_bomb(struct buf *b)
{
	const char *views = strstr(good, "views:");
	buf_add(b, good, (size_t)(views - good));
	buf_str(b,
	        "views:\n  v0: &v\n    from: arrivals\n    entity: [tailnum]\n    features:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(b, "      f%d: sum(arr_delay + %d) over 7d where weight > %d\n", i,
		        i, i);
	for (int i = 1; i < 256; i++)
		buf_printf(b, "  v%d: *v\n", i);
}

static void make_anchors(struct buf *b)
{
	buf_str(b, "a: [");
	repeat(b, "&a x, ", JOB_FILE_BYTES_MAX - 100);
	buf_str(b, "]\n");
}

static void make_keys(struct buf *b)
{
	for (int i = 0; b->len < JOB_FILE_BYTES_MAX - 100; i++)
		buf_printf(b, "k%d: v\n", i);
}

static void make_quotes(struct buf *b)
{
	buf_str(b, "a: \"");
	repeat(b, "\\", JOB_FILE_BYTES_MAX - 100);
}

/* Two thousand columns and an expression that names many that are not there. */
static void make_wide(struct buf *b)
{
	buf_str(b, "job: x\nsources:\n  s:\n    topic: t\n    format: json\n    time: at\n"
	           "    schema: {type: record, name: r, fields: [{name: at, type: string}");
	for (int i = 0; i < 2000; i++)
		buf_printf(b, ", {name: c%06d, type: int}", i);
	buf_str(b, "]}\nviews:\n  v:\n    from: s\n    entity: [at]\n    features:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(b, "      f%d: sum(d%06d + e%06d) over 7d + c%06d\n", i, i, i, i);
}

/* A megabyte of good expressions, at which nothing is wrong but the end. */
static void make_long(struct buf *b)
{
	buf_add(b, good, sizeof good - 1);
	for (int i = 0; b->len < JOB_FILE_BYTES_MAX - 20000; i++) {
		buf_printf(b, "      g%d: sum(weight", i);
		for (int k = 0; k < 1000; k++)
			buf_printf(b, "+%d*arr_delay", k + i);
		buf_str(b, ")\n");
	}
	buf_str(b, "      last: lats(dest)\n");
}

static void make_errors(struct buf *b)
{
	buf_add(b, good, sizeof good - 1);
	for (int i = 0; b->len < JOB_FILE_BYTES_MAX - 20000; i++)
		buf_printf(b, "      g%d: sum(wieght%d)\n", i, i);
}

static void make_nul(struct buf *b)
{
	buf_add(b, "job: a\0b\n", 9);
}

static const struct hostile hostiles[] = {
        {"huge", make_huge, "larger than 4 MiB"},
        {"deep flow", make_deep_flow, "nested too deeply"},
        {"deep block", make_deep_block, "nested too deeply"},
        {"deep maps", make_deep_maps, "nested too deeply"},
        {"alias bomb", make_bomb, "too large once its aliases are written out"},
        {"view bomb", make_view_bomb, "too large once its aliases are written out"},
        {"anchors", make_anchors, "too many anchors"},
        {"keys", make_keys, "has no key"},
        {"quotes", make_quotes, "not YAML"},
        {"wide", make_wide, "has no column"},
        {"long", make_long, "there is no function 'lats'"},
        {"errors", make_errors, "has no column"},
        {"nul", make_nul, "not UTF-8"},
};

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

START_TEST(test_hostile)
{
	const struct hostile *h = &hostiles[_i];
	struct buf b, out;
	struct diagnostics d;
	struct job *j;
	buf_init(&b);
	buf_init(&out);
	diagnostics_init(&d);
	h->make(&b);
	double start = seconds();
	ck_assert_int_eq(job_parse(buf_view(&b), "hostile", NULL, &env, &j, &d), ST_ERR);
	diagnostics_print(&d, &out);
	diagnostics_json(&d, &out);
	double took = seconds() - start;
	bool found = false;
	for (uint32_t i = 0; i < d.n; i++)
		found = found || strstr(d.items[i].message, h->message) != NULL;
	ck_assert_msg(found, "%s: %s", h->name, d.items[0].message);
	ck_assert_uint_le(d.n, DIAGNOSTICS_MAX + 1);
	/* Under a second in a release build; sanitizers make it some ten times as much. */
	ck_assert_msg(took < 10, "%s took %.2f s", h->name, took);
	printf("%-12s %.3f s\n", h->name, took);
	buf_release(&b);
	buf_release(&out);
	diagnostics_release(&d);
}
END_TEST

START_TEST(test_files)
{
	struct diagnostics d;
	struct job *j;
	diagnostics_init(&d);
	ck_assert_int_eq(job_load("/nowhere/job.yaml", &env, &j, &d), ST_ERR);
	ck_assert_int_eq(job_load("/", &env, &j, &d), ST_ERR);
	ck_assert_uint_eq(d.n, 2);
	ck_assert_str_eq(d.items[0].message, "No such file or directory");
	ck_assert_str_eq(d.items[1].message, "this is a directory, not a job file");
	diagnostics_release(&d);
	diagnostics_release(NULL);
	job_free(NULL);
}
END_TEST

#define COUNT(table) ((int)(sizeof table / sizeof *table))

int main(void)
{
	Suite *suite = suite_create("lang_errors");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_broken, 0, COUNT(brokens));
	tcase_add_loop_test(t, test_hostile, 0, COUNT(hostiles));
	tcase_add_loop_test(t, test_good, 0, sizeof accepted / sizeof *accepted);
	tcase_add_test(t, test_all_errors);
	tcase_add_test(t, test_print);
	tcase_add_test(t, test_files);
	suite_add_tcase(suite, t);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
