// SPDX-License-Identifier: Apache-2.0
//
// Nanoseconds per record of the decoders: 200-byte records of 8 fields, 5 of them wanted, in
// batches as the engine takes them. Prints the best of several rounds. Not a test: nothing here
// fails.
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "connectors/formats.h"
#include "data/avro.h"

#define RECORDS 4096
#define ROUNDS 60

static const char SCHEMA[] =
        "{\"type\":\"record\",\"name\":\"event\",\"fields\":["
        "{\"name\":\"user_id\",\"type\":\"long\"},"
        "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},"
        "{\"name\":\"amount\",\"type\":\"double\"},"
        "{\"name\":\"quantity\",\"type\":\"int\"},"
        "{\"name\":\"country\",\"type\":\"string\"},"
        "{\"name\":\"session\",\"type\":\"string\"},"
        "{\"name\":\"referrer\",\"type\":[\"null\",\"string\"],\"default\":null},"
        "{\"name\":\"mobile\",\"type\":\"boolean\"}]}";
static const bool wanted[] = {true, true, true, true, true, false, false, false};

static void add_json(struct buf *b, uint64_t i)
{
	buf_printf(b,
	        "{\"user_id\":%llu,\"at\":%llu,\"amount\":%llu.%02llu,\"quantity\":%llu,"
	        "\"country\":\"DE\",\"session\":\"%016llx-%016llx\",\"referrer\":"
	        "\"https://example.org/a/page/%03llu\",\"mobile\":true}",
	        (unsigned long long)(i * 2654435761u % 1000000),
	        (unsigned long long)(1357016400000 + i * 37), (unsigned long long)(i % 900),
	        (unsigned long long)(i % 100), (unsigned long long)(i % 9),
	        (unsigned long long)(i * 0x9e3779b97f4a7c15),
	        (unsigned long long)(i * 0xc2b2ae3d27d4eb4f), (unsigned long long)(i % 1000));
}

static void add_avro(struct buf *b, uint64_t i)
{
	char session[40];
	snprintf(session, sizeof session, "%016llx-%016llx",
	        (unsigned long long)(i * 0x9e3779b97f4a7c15),
	        (unsigned long long)(i * 0xc2b2ae3d27d4eb4f));
	buf_varint(b, (int64_t)(i * 2654435761u % 1000000));
	buf_varint(b, (int64_t)(1357016400000 + i * 37));
	buf_double(b, (double)(i % 900) + (double)(i % 100) / 100);
	buf_varint(b, (int64_t)(i % 9));
	buf_bytes(b, slice_of("DE"));
	buf_bytes(b, slice_of(session));
	buf_varint(b, 1);
	buf_bytes(b, slice_of("https://example.org/a/page/123"));
	buf_byte(b, 1);
}

static void measure(
        const struct format *f, const struct schema *s, void (*add)(struct buf *, uint64_t))
{
	static struct slice values[RECORDS];
	static struct bad_record bad[BATCH_ROWS_MAX];
	static size_t from[RECORDS + 1];
	struct column cols[8] = {0};
	struct buf bytes = {0};
	struct arena a;
	struct error e;
	struct decoder *d;
	struct decoder_conf conf = {s, wanted, NULL, 1 << 20};
	int64_t best = INT64_MAX;
	arena_init(&a);
	for (uint64_t i = 0; i < RECORDS; i++) {
		from[i] = bytes.len;
		add(&bytes, i);
	}
	from[RECORDS] = bytes.len;
	for (size_t i = 0; i < RECORDS; i++)
		values[i] =
		        (struct slice){bytes.p + from[i], (uint32_t)(from[i + 1] - from[i])};
	if (f->decoder_new(&conf, &d, &e) != ST_OK) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	for (int round = 0; round < ROUNDS; round++) {
		int64_t since = clock_mono_ns(&clock_system);
		for (uint32_t i = 0; i < RECORDS; i += BATCH_ROWS_MAX) {
			arena_reset(&a);
			f->decode(d, values + i, BATCH_ROWS_MAX, cols, bad, &a, &e);
			if (bad[0].bad) {
				fprintf(stderr, "%s\n", bad[0].detail);
				exit(1);
			}
		}
		int64_t ns = clock_mono_ns(&clock_system) - since;
		best = ns < best ? ns : best;
	}
	printf("decode_%s: %.1f ns per record of %zu bytes\n", f->name, (double)best / RECORDS,
	        bytes.len / RECORDS);
	f->decoder_free(d);
	buf_release(&bytes);
	arena_release(&a);
}

int main(void)
{
	struct arena a;
	struct error e;
	struct schema *s;
	arena_init(&a);
	if (schema_parse(&a, slice_of(SCHEMA), &s, &e) != ST_OK) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	for (size_t i = 0; formats[i]; i++)
		measure(formats[i], s, formats[i]->name[0] == 'j' ? add_json : add_avro);
	arena_release(&a);
	return 0;
}
