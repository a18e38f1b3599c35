// SPDX-License-Identifier: Apache-2.0
//
// Spoils what a node's store holds, for the crash tests: the files stay good, their checksums
// too, as after a fault in memory or in code.
//
//   spoil STORE marker-cut | marker-ahead | rows
//
// marker-cut: each task's marker loses its second half. marker-ahead: the changelog position in
// front of it becomes a very large one. rows: each state row is of a format that there is not.
// What is wrong inside a row of the right form is for RocksDB's checksums to find.
//
// The keys are those of engine/state/rocks_keys.c: a task's name, a NUL, then a kind: M for the
// marker, R for rows.
#include <rocksdb/c.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 100000

static bool is_kind(const char *key, size_t len, char kind)
{
	const char *nul = memchr(key, 0, len);
	return nul && nul > key && nul + 1 < key + len && nul[1] == kind;
}

/* A varint that goes on for nine bytes: beyond any offset. */
static size_t ahead(const char *value, size_t len, char *out)
{
	size_t from = 0, n = 0;
	while (from < len && value[from++] & 0x80)
		;
	for (; n < 8; n++)
		out[n] = (char)0xFE;
	out[n++] = 0x3E;
	memcpy(out + n, value + from, len - from);
	return n + len - from;
}

static size_t spoil(const char *how, const char *value, size_t len, char *out)
{
	if (strcmp(how, "marker-ahead") == 0)
		return ahead(value, len, out);
	memcpy(out, value, len);
	if (strcmp(how, "rows") != 0)
		return len / 2;
	out[0] = (char)~out[0];
	return len;
}

static void check(char *err)
{
	if (!err)
		return;
	fprintf(stderr, "spoil: %s\n", err);
	exit(3);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	static char out[VALUE_MAX + 16];
	char *err = NULL, kind = strcmp(argv[2], "rows") == 0 ? 'R' : 'M';
	int spoilt = 0;
	rocksdb_options_t *options = rocksdb_options_create();
	rocksdb_t *db = rocksdb_open(options, argv[1], &err);
	check(err);
	rocksdb_readoptions_t *read = rocksdb_readoptions_create();
	rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
	rocksdb_iterator_t *it = rocksdb_create_iterator(db, read);
	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		size_t klen, vlen;
		const char *k = rocksdb_iter_key(it, &klen), *v = rocksdb_iter_value(it, &vlen);
		if (!is_kind(k, klen, kind) || !vlen || vlen > VALUE_MAX)
			continue;
		rocksdb_put(db, write, k, klen, out, spoil(argv[2], v, vlen, out), &err);
		check(err);
		spoilt++;
	}
	rocksdb_iter_destroy(it);
	rocksdb_close(db);
	printf("%d\n", spoilt);
	return spoilt ? 0 : 1;
}
