// SPDX-License-Identifier: Apache-2.0
//
// A bounded read with the log's reader. The end of what is asked for is a high watermark, which
// an open transaction may keep readers from reaching: the silence is bounded for that, and how
// far the reading got is told.
#include "cli/scan.h"

#include <inttypes.h>
#include <string.h>

#define BATCH 512
#define POLL_MS 100
#define READER_BYTES ((uint64_t)16 << 20)

/* Without a record so far (or after some): how long silence may last. */
#define FIRST_SILENT_MS 5000
#define TAIL_SILENT_MS 1500

static int64_t silent_ms(const struct scan_range *s, bool any)
{
	int64_t tail = s->tail_ms ? s->tail_ms : TAIL_SILENT_MS;
	return s->patient                      ? LOG_SILENT_MS_MAX
	       : any || tail > FIRST_SILENT_MS ? tail
	                                       : FIRST_SILENT_MS;
}

/* False: that was enough. */
static bool give(const struct scan_range *s, const struct log_record *records, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (records[i].offset >= s->to || !s->each(s->arg, &records[i]))
			return false;
	return true;
}

/* A position that moves is no silence, even if it passes nothing but aborted records. */
static enum status read_on(struct scan_range *s, struct log_reader *r, struct error *e)
{
	struct log_record records[BATCH];
	int64_t heard = clock_mono_ns(s->clock), before = s->log->reader_position(r);
	bool any = false;
	while (before < s->to) {
		uint32_t n = 0;
		struct error here = {0};
		enum status st = s->log->reader_poll(r, POLL_MS, records, BATCH, &n, &here);
		int64_t now = clock_mono_ns(s->clock), position = s->log->reader_position(r);
		if (!give(s, records, n))
			break;
		any |= n > 0;
		if (n > 0 || position != before)
			heard = now;
		bool over = now - heard > silent_ms(s, any) * INT64_C(1000000);
		if (st && (here.class != ERR_RETRIABLE || !s->patient || over)) {
			*e = here;
			return ST_ERR;
		}
		before = position;
		if (over) {
			s->reached = position;
			return ST_OK;
		}
	}
	s->reached = s->to;
	return ST_OK;
}

enum status scan_range(struct scan_range *s, struct error *e)
{
	struct log_reader *r;
	s->reached = s->to;
	if (s->from >= s->to)
		return ST_OK;
	if (s->log->reader_open(
	            s->broker, s->topic, s->partition, s->from, READER_BYTES, &r, e))
		return ST_ERR;
	enum status st = read_on(s, r, e);
	s->log->reader_close(r);
	return st;
}

enum status scan_cut(const struct scan_range *s, struct error *e)
{
	return error_set(e, ERR_RETRIABLE, 0,
	        "%s[%" PRId32 "] gives nothing from offset %" PRId64 " on, its end is %" PRId64
	        ": a transaction is open there, or the broker hangs. Try again when the "
	        "transaction has ended (kafka-transactions.sh find-hanging shows it, and abort "
	        "ends it)",
	        s->topic, s->partition, s->reached, s->to);
}

const struct slice *record_header(const struct log_record *r, const char *name)
{
	for (uint32_t i = 0; i < r->nheaders; i++)
		if (!strcmp(r->headers[i].name, name))
			return &r->headers[i].value;
	return NULL;
}
