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
// decodes no more of a row than its head. Exit 0, 2 wrong use, 3 failed.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/key_map.h"
#include "base/log.h"
#include "connectors/kafka/kafka.h"
#include "data/block.h"

#define BATCH 5000
#define MEMORY (64u << 20)
#define ENTITY_MAX 256

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

/* False when it was there. */
static bool add(struct key_map *set, struct key_hash h)
{
	return key_map_put(set, h, 0) == KEY_NONE;
}

/* -- the rows of a topic -- */

struct reading {
	bool records; /* each is a row */
	struct key_map wanted, entities, keys; /* sets */
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
	struct key_hash hash = key_hash_of(entity, 0);
	r->rows++;
	r->of_events += of_event;
	add(&r->entities, hash);
	if (key_map_get(&r->wanted, hash) != KEY_NONE)
		print(kind, entity, row);
}

static void take_block(struct reading *r, struct slice value)
{
	struct block_reader rows;
	struct slice row;
	enum status st;
	block_read(&rows, block_unframe(value), NULL);
	while ((st = block_next(&rows, &row)) == ST_OK) {
		struct reader in = reader_of(row);
		struct slice entity = reader_bytes(&in);
		reader_varint(&in); /* event_time */
		reader_varint(&in); /* known_at */
		bool of_event = reader_varint(&in) != 0;
		if (in.failed)
			fail("a block", "it ends inside of a row");
		take(r, 'b', entity, of_event, row);
	}
	if (st != ST_END)
		fail("a block", "it is torn");
}

static void take_record(struct reading *r, const struct log_record *rec)
{
	const uint8_t *bar = memchr(rec->key.p, '|', rec->key.len);
	struct slice entity = {rec->key.p, bar ? (size_t)(bar - rec->key.p) : rec->key.len};
	if (r->records || !block_key_is(rec->key)) {
		bool expiry = rec->key.len && rec->key.p[rec->key.len - 1] == 'x';
		take(r, 'r', entity, !expiry, rec->value);
	} else {
		r->doubled += !add(&r->keys, key_hash_of(rec->key, (uint64_t)rec->partition));
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

static void read_wanted(struct key_map *wanted, const char *path)
{
	char line[ENTITY_MAX];
	FILE *f = fopen(path, "re");
	if (!f)
		fail(path, "cannot be read");
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		add(wanted, key_hash_of(slice_of(line), 0));
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
	key_map_release(&r.wanted), key_map_release(&r.entities), key_map_release(&r.keys);
	return 0;
}
