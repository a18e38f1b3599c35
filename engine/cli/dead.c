// SPDX-License-Identifier: Apache-2.0
//
// weir dead list JOB: the newest dead and late letters, with the headers they carry. It reads
// windows from the end that double until enough was found, so asking for few is cheap.
#include <stdio.h>
#include <string.h>

#include "base/human.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/scan.h"
#include "cli/table.h"

#define LIMIT_MAX 100000

static const struct option own[] = {
        {"limit", OPT_INT, true, .fallback = "20", .min = 1, .max = LIMIT_MAX, .value = "N",
                .help = "How many of the newest letters of each topic to show."},
        {"reason", OPT_TEXT, true, .value = "REASON",
                .help = "Only these: wrong_type, missing_column, late, ..."},
        {"late", OPT_FLAG, true, .help = "Only the late topic's."}, {0}};

struct letter {
	int64_t time, offset;
	const char *topic, *reason, *detail, *source_topic, *job_version;
	int64_t source_partition, source_offset, source_timestamp;
	bool has_key, has_value;
	struct slice key, value;
};

struct letters {
	struct arena arena;
	const char *topic, *reason;
	struct letter *items; /* a ring of limit */
	uint32_t limit;
	uint64_t n; /* seen */
};

static const char *text_of(struct letters *l, const struct log_record *r, const char *name)
{
	const struct slice *h = record_header(r, name);
	return h ? arena_strndup(&l->arena, (const char *)h->p, h->len) : "";
}

static int64_t number_of(const struct log_record *r, const char *name)
{
	const struct slice *h = record_header(r, name);
	int64_t n;
	return h && num_parse_int((const char *)h->p, h->len, &n) ? n : -1;
}

static bool letter_take(void *arg, const struct log_record *r)
{
	struct letters *l = arg;
	const char *reason = text_of(l, r, "reason");
	if (l->reason && strcmp(l->reason, reason))
		return true;
	l->items[l->n++ % l->limit] = (struct letter){.time = r->timestamp,
	        .offset = r->offset,
	        .topic = l->topic,
	        .reason = reason,
	        .detail = text_of(l, r, "detail"),
	        .source_topic = text_of(l, r, "source_topic"),
	        .job_version = text_of(l, r, "job_version"),
	        .source_partition = number_of(r, "source_partition"),
	        .source_offset = number_of(r, "source_offset"),
	        .source_timestamp = number_of(r, "source_timestamp"),
	        .has_key = r->has_key,
	        .has_value = r->has_value,
	        .key = arena_slice(&l->arena, r->key),
	        .value = arena_slice(&l->arena, r->value)};
	return true;
}

/* The newest ones of a topic. A topic that is not there has none. */
static enum status topic_read(struct cli *c, struct letters *l, struct error *e)
{
	struct log_topic_info info;
	int64_t begin, end;
	if (c->log->topic_info(c->broker, l->topic, &info, e))
		return ST_ERR;
	for (int32_t p = 0; p < info.partitions; p++) {
		if (c->log->bounds(c->broker, l->topic, p, &begin, &end, e))
			return ST_ERR;
		for (int64_t window = 2 * (int64_t)l->limit + 64;; window *= 4) {
			int64_t from = end - window > begin ? end - window : begin;
			uint64_t before = l->n;
			struct scan_range s = {.log = c->log,
			        .broker = c->broker,
			        .clock = &clock_system,
			        .topic = l->topic,
			        .partition = p,
			        .from = from,
			        .to = end,
			        .each = letter_take,
			        .arg = l};
			if (scan_range(&s, e))
				return ST_ERR;
			if (l->n - before >= l->limit || from == begin)
				break;
			l->n = before;
		}
	}
	return ST_OK;
}

/* -- printing -- */

static bool utf8(struct slice s)
{
	for (uint32_t i = 0; i < s.len;) {
		uint8_t b = s.p[i];
		uint32_t n = b < 0x80                ? 1
		             : b >= 0xc2 && b < 0xe0 ? 2
		             : b >= 0xe0 && b < 0xf0 ? 3
		             : b >= 0xf0 && b < 0xf5 ? 4
		                                     : 0;
		if (!n || i + n > s.len)
			return false;
		for (uint32_t k = 1; k < n; k++)
			if ((s.p[i + k] & 0xc0) != 0x80)
				return false;
		if ((b == 0xe0 && s.p[i + 1] < 0xa0) || (b == 0xed && s.p[i + 1] > 0x9f) ||
		        (b == 0xf0 && s.p[i + 1] < 0x90) || (b == 0xf4 && s.p[i + 1] > 0x8f))
			return false;
		i += n;
	}
	return true;
}

/* Text as text; other bytes as base64 under another name. */
static void bytes_json(struct buf *b, const char *name, bool has, struct slice s)
{
	if (!has) {
		buf_printf(b, ",\"%s\":null", name);
	} else if (utf8(s)) {
		buf_printf(b, ",\"%s\":", name);
		buf_json(b, s);
	} else {
		buf_printf(b, ",\"%s_base64\":\"", name);
		buf_base64(b, s);
		buf_byte(b, '"');
	}
}

static void letter_json(const struct letter *l, struct buf *b)
{
	const char *const texts[][2] = {{"topic", l->topic}, {"reason", l->reason},
	        {"detail", l->detail}, {"source_topic", l->source_topic},
	        {"job_version", l->job_version}};
	buf_byte(b, '{');
	for (unsigned i = 0; i < 5; i++) {
		buf_printf(b, "%s\"%s\":", i ? "," : "", texts[i][0]);
		buf_json(b, slice_of(texts[i][1]));
	}
	buf_printf(b,
	        ",\"offset\":%lld,\"time\":%lld,\"source_partition\":%lld,\"source_offset\":%"
	        "lld,"
	        "\"source_timestamp\":%lld",
	        (long long)l->offset, (long long)l->time, (long long)l->source_partition,
	        (long long)l->source_offset, (long long)l->source_timestamp);
	bytes_json(b, "key", l->has_key, l->key);
	bytes_json(b, "value", l->has_value, l->value);
	buf_str(b, "}\n");
}

static void letter_row(const struct letter *l, struct text_table *t)
{
	char when[HUMAN_MAX];
	text_table_row(t);
	text_table_cell(t, "%s", human_time(when, l->time));
	text_table_cell(t, "%s", l->reason);
	text_table_cell(t, "%s[%lld]@%lld", l->source_topic, (long long)l->source_partition,
	        (long long)l->source_offset);
	text_table_cell(t, "%s", l->detail);
}

/* Newest first. */
static void print(
        const struct cli *c, const struct letters *l, struct text_table *t, struct buf *b)
{
	uint64_t n = l->n < l->limit ? l->n : l->limit;
	for (uint64_t i = 0; i < n; i++) {
		const struct letter *one = &l->items[(l->n - 1 - i) % l->limit];
		if (c->json)
			letter_json(one, b);
		else
			letter_row(one, t);
	}
}

static enum status list(
        struct cli *c, const char *suffix, struct text_table *t, struct buf *b, struct error *e)
{
	char topic[512];
	struct letters l = {.topic = topic,
	        .reason = options_text(&c->options, "reason"),
	        .limit = (uint32_t)options_number(&c->options, "limit")};
	snprintf(topic, sizeof topic, "%s.%s.%s", options_text(&c->options, "prefix"),
	        c->options.args[0], suffix);
	arena_init(&l.arena);
	l.items = arena_calloc(&l.arena, l.limit, sizeof *l.items);
	enum status st = topic_read(c, &l, e);
	if (!st)
		print(c, &l, t, b);
	arena_release(&l.arena);
	return st;
}

static enum answer run(struct cli *c)
{
	static const char *const heads[] = {"TIME", "REASON", "SOURCE", "DETAIL", NULL};
	struct error e = {0};
	struct text_table t;
	struct buf b = {0};
	enum answer a = ANSWER_DONE;
	if (cli_log(c, &e))
		return cli_fail(c, &e);
	text_table_init(&t, heads);
	bool late_only = options_flag(&c->options, "late");
	if ((!late_only && list(c, "dead", &t, &b, &e)) || list(c, "late", &t, &b, &e))
		a = cli_fail(c, &e);
	else if (!c->json && t.n > 1)
		text_table_print(&t, &b);
	else if (!c->json)
		cli_say(c, "no letters");
	cli_print(&b);
	buf_release(&b);
	text_table_release(&t);
	return a;
}

static const char *const uses[] = {"brokers", "kafka-config", "prefix", "format", NULL};
const struct command command_dead_list = {
        .name = "dead list",
        .args = "JOB",
        .summary = "show a job's newest dead and late records",
        .about =
                "Shows what stands in <prefix>.<job>.dead, then in <prefix>.<job>.late, newest "
                "first: when, why, where the record came from, and the column that is to "
                "blame. "
                "With --format json one object a line, with the record's key and value as they "
                "were (key_base64, value_base64 when they are not UTF-8).\n\n"
                "With --reason the topics are read backwards until enough letters were found.",
        .examples = "weir dead list flights\n"
                    "weir dead list flights --reason wrong_type --limit 1000 --format json",
        .args_min = 1,
        .args_max = 1,
        .options = own,
        .uses = uses,
        .run = run,
};
