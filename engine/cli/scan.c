// SPDX-License-Identifier: Apache-2.0
//
// A bounded read with the log's reader. The end of what is asked for is a high watermark, which
// an open transaction may keep readers from reaching: the silence is bounded for that.
#include "cli/scan.h"

#include <string.h>

#include "base/clock.h"

#define BATCH 512
#define POLL_MS 100
#define READER_BYTES ((uint64_t)16 << 20)

/* Without a record so far (or after some): how long silence may last. */
#define FIRST_SILENT_MS 5000
#define TAIL_SILENT_MS 1500

static enum status read_on(const struct log_ops *log, struct log_reader *r, int64_t to,
        bool (*each)(void *arg, const struct log_record *r), void *arg, struct error *e)
{
	struct log_record records[BATCH];
	int64_t heard = clock_mono_ns(&clock_system);
	bool any = false;
	while (log->reader_position(r) < to) {
		uint32_t n;
		if (log->reader_poll(r, POLL_MS, records, BATCH, &n, e))
			return ST_ERR;
		for (uint32_t i = 0; i < n; i++)
			if (records[i].offset >= to || !each(arg, &records[i]))
				return ST_OK;
		int64_t now = clock_mono_ns(&clock_system);
		any |= n > 0;
		if (n)
			heard = now;
		else if (now - heard >
		         (any ? TAIL_SILENT_MS : FIRST_SILENT_MS) * INT64_C(1000000))
			return ST_OK;
	}
	return ST_OK;
}

enum status scan_range(const struct log_ops *log, struct log_broker *broker, const char *topic,
        int32_t partition, int64_t from, int64_t to,
        bool (*each)(void *arg, const struct log_record *r), void *arg, struct error *e)
{
	struct log_reader *r;
	if (from >= to)
		return ST_OK;
	if (log->reader_open(broker, topic, partition, from, READER_BYTES, &r, e))
		return ST_ERR;
	enum status st = read_on(log, r, to, each, arg, e);
	log->reader_close(r);
	return st;
}

const struct slice *record_header(const struct log_record *r, const char *name)
{
	for (uint32_t i = 0; i < r->nheaders; i++)
		if (!strcmp(r->headers[i].name, name))
			return &r->headers[i].value;
	return NULL;
}
