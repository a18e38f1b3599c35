// SPDX-License-Identifier: Apache-2.0
//
// Reads all committed rows of a topic and prints those of some entities, for bench/harness to
// check (oracle.py): Python alone takes longer over that than an engine takes over the events.
//
//   bench_rows [--records] TOPIC FILE     WEIR_BROKERS
//
//   FILE        the entities, one a line
//   --records   of another engine: each record is a row, its key is the entity up to the first |
//
// Prints frames, numbers little-endian: 'r' (the value of a record) or 'b' (a row from inside a
// block, without a frame of its own), u32 and the entity, u32 and the row's bytes; last 'e' and
// four u64: rows, those of events, entities, keys of blocks that stood twice in a partition. It
// decodes no row, and knows of Avro what is needed to find one. Exit 0, 2 wrong use, 3 failed.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/log.h"
#include "connectors/kafka/kafka.h"

#define BATCH 5000
#define MEMORY (64u << 20)
#define ENTITY_MAX 256
#define FRAME_BYTES 10 /* before a block: c3 01 and the fingerprint */

static const struct log_ops *const k = &kafka_log;

_Noreturn static void fail(const char *what, const char *why)
{
	fprintf(stderr, "bench_rows: %s: %s\n", what, why);
	exit(3);
}

static void must(enum status st, const char *what, const struct error *e)
{
	if (st != ST_OK)
		fail(what, e->msg);
}

/* -- a set of 64-bit hashes: 0 is not one -- */

struct set {
	uint64_t *slots, n, cap; /* cap a power of two */
};

static bool set_add(struct set *s, uint64_t hash);

static void set_grow(struct set *s)
{
	struct set bigger = {.cap = s->cap ? s->cap * 2 : 1024};
	bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
	if (!bigger.slots)
		fail("memory", "none left");
	for (uint64_t i = 0; i < s->cap; i++)
		if (s->slots[i])
			set_add(&bigger, s->slots[i]);
	free(s->slots);
	*s = bigger;
}

static bool set_has(const struct set *s, uint64_t hash)
{
	for (uint64_t i = hash; s->cap; i++) {
		uint64_t slot = s->slots[i & (s->cap - 1)];
		if (!slot || slot == hash)
			return slot == hash;
	}
	return false;
}

/* False when it was there. */
static bool set_add(struct set *s, uint64_t hash)
{
	if (set_has(s, hash))
		return false;
	if (s->n * 2 >= s->cap)
		set_grow(s);
	uint64_t i = hash;
	while (s->slots[i & (s->cap - 1)])
		i++;
	s->slots[i & (s->cap - 1)] = hash;
	s->n++;
	return true;
}

static uint64_t hash_of(struct slice s)
{
	return XXH3_64bits(s.p, s.len) | 1;
}

/* -- the rows of a topic -- */

struct reading {
	bool records; /* each is a row */
	struct set wanted, entities, keys;
	uint64_t rows, of_events, doubled;
};

static void print(uint8_t kind, struct slice entity, struct slice row)
{
	uint32_t a = (uint32_t)entity.len, b = (uint32_t)row.len;
	putchar(kind);
	fwrite(&a, sizeof a, 1, stdout);
	fwrite(entity.p, 1, a, stdout);
	fwrite(&b, sizeof b, 1, stdout);
	fwrite(row.p, 1, b, stdout);
}

static void take(struct reading *r, uint8_t kind, struct slice entity, bool of_event,
        struct slice row)
{
	uint64_t hash = hash_of(entity);
	r->rows++;
	r->of_events += of_event;
	set_add(&r->entities, hash);
	if (set_has(&r->wanted, hash))
		print(kind, entity, row);
}

/* Moves *s behind an Avro long. */
static int64_t number(struct slice *s)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (s->len == 0)
			break;
		uint8_t byte = *s->p;
		s->p++, s->len--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
	}
	fail("a block", "it ends inside of a number");
}

/* The next n bytes, behind which it moves *s. */
static struct slice bytes(struct slice *s, int64_t n)
{
	if (n < 0 || (uint64_t)n > s->len)
		fail("a block", "it ends inside of a row");
	struct slice out = {s->p, (size_t)n};
	s->p += n, s->len -= (size_t)n;
	return out;
}

/* A block's rows: each an array block of its own, with its size. */
static void take_block(struct reading *r, struct slice value)
{
	bytes(&value, FRAME_BYTES);
	for (;;) {
		int64_t count = number(&value);
		if (count == 0)
			break;
		if (count != -1)
			fail("a block", "a row without its size");
		struct slice row = bytes(&value, number(&value)), in = row;
		struct slice entity = bytes(&in, number(&in));
		number(&in), number(&in); /* event_time, known_at */
		take(r, 'b', entity, number(&in) != 0, row);
	}
	if (value.len)
		fail("a block", "something follows its rows");
}

static void take_record(struct reading *r, const struct log_record *rec)
{
	const uint8_t *bar = memchr(rec->key.p, '|', rec->key.len);
	struct slice entity = {rec->key.p, bar ? (size_t)(bar - rec->key.p) : rec->key.len};
	uint32_t bars = 0;
	for (size_t i = 0; i < rec->key.len; i++)
		bars += rec->key.p[i] == '|';
	if (r->records || bars == 2) {
		bool expiry = rec->key.len && rec->key.p[rec->key.len - 1] == 'x';
		take(r, 'r', entity, !expiry, rec->value);
	} else {
		uint64_t hash = XXH3_64bits_withSeed(rec->key.p, rec->key.len,
		                        (XXH64_hash_t)rec->partition) | 1;
		r->doubled += !set_add(&r->keys, hash);
		take_block(r, rec->value);
	}
}

static void read_partition(struct reading *r, struct log_broker *b, const char *topic, int32_t p)
{
	static struct log_record rec[BATCH];
	struct error e = {0};
	struct log_reader *reader;
	int64_t begin, end;
	uint32_t n;
	must(k->bounds(b, topic, p, &begin, &end, &e), topic, &e);
	must(k->reader_open(b, topic, p, begin, MEMORY, &reader, &e), topic, &e);
	while (k->reader_position(reader) < end) {
		must(k->reader_poll(reader, 1000, rec, BATCH, &n, &e), topic, &e);
		for (uint32_t i = 0; i < n; i++)
			take_record(r, &rec[i]);
	}
	k->reader_close(reader);
}

static void read_wanted(struct set *wanted, const char *path)
{
	char line[ENTITY_MAX];
	FILE *f = fopen(path, "re");
	if (!f)
		fail(path, "cannot be read");
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		set_add(wanted, hash_of(slice_of(line)));
	}
	fclose(f);
}

int main(int argc, char **argv)
{
	bool records = argc > 1 && strcmp(argv[1], "--records") == 0;
	struct kafka_conf conf = {.brokers = getenv("WEIR_BROKERS"), .client_id = "bench"};
	if (argc != 3 + records || !conf.brokers) {
		fprintf(stderr, "usage: WEIR_BROKERS=HOST:PORT bench_rows [--records] TOPIC FILE\n");
		return 2;
	}
	const char *topic = argv[1 + records];
	struct reading r = {.records = records};
	struct error e = {0};
	struct log_broker *b;
	struct log_topic_info info;
	log_level_set(LOG_LVL_WARN);
	read_wanted(&r.wanted, argv[2 + records]);
	must(kafka_open(&conf, &b, &e), "open", &e);
	must(k->topic_info(b, topic, &info, &e), topic, &e);
	for (int32_t p = 0; p < info.partitions; p++)
		read_partition(&r, b, topic, p);
	k->close(b);
	uint64_t found[] = {r.rows, r.of_events, r.entities.n, r.doubled};
	putchar('e');
	if (fwrite(found, sizeof found, 1, stdout) != 1 || fflush(stdout))
		fail("output", "cannot be written");
	free(r.wanted.slots), free(r.entities.slots), free(r.keys.slots);
	return 0;
}
