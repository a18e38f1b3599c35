// SPDX-License-Identifier: Apache-2.0
//
// Reading from the RocksDB store: rows by sorted multi-get, timers and rows in key order.
// Not here: a cache of rows; that is the table's business.
#include <string.h>

#include "state/rocks_inside.h"

enum status rocks_meta(
        struct store_task *st, struct slice *out, struct arena *a, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	char *err = NULL;
	size_t len = 0;
	rocks_key(&t->key, t, KIND_META, (struct slice){NULL, 0});
	char *v = rocksdb_get(
	        t->rocks->db, t->rocks->read, (char *)t->key.p, t->key.len, &len, &err);
	if (err)
		return rocks_error(t->rocks, e, "reading a task's position", err);
	*out = v ? arena_slice(a, (struct slice){(uint8_t *)v, (uint32_t)len})
	         : (struct slice){NULL, 0};
	rocksdb_free(v);
	return ST_OK;
}

static void keys_make(struct rocks_task *t, const struct store_key *keys, uint32_t n,
        const char **out, size_t *lens, struct arena *a)
{
	for (uint32_t i = 0; i < n; i++) {
		rocks_key_row(&t->key, t, keys[i]);
		struct slice s = arena_slice(a, buf_view(&t->key));
		out[i] = (const char *)s.p;
		lens[i] = s.len;
	}
}

enum status rocks_get(struct store_task *st, const struct store_key *keys, uint32_t n,
        struct slice *values, struct arena *a, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	const char **k = arena_alloc(a, n * sizeof *k);
	size_t *len = arena_alloc(a, n * sizeof *len);
	rocksdb_pinnableslice_t **found = arena_calloc(a, n, sizeof *found);
	char **errs = arena_calloc(a, n, sizeof *errs);
	keys_make(t, keys, n, k, len, a);
	atomic_fetch_add_explicit(&t->rocks->keys_read, n, memory_order_relaxed);
	rocksdb_batched_multi_get_cf(
	        t->rocks->db, t->rocks->read, t->rocks->family, n, k, len, found, errs, true);
	char *failed = NULL;
	for (uint32_t i = 0; i < n; i++) {
		size_t vlen = 0;
		const char *v = found[i] ? rocksdb_pinnableslice_value(found[i], &vlen) : NULL;
		values[i] =
		        v ? arena_slice(a, (struct slice){(const uint8_t *)v, (uint32_t)vlen})
		          : (struct slice){NULL, 0};
		if (found[i])
			rocksdb_pinnableslice_destroy(found[i]);
		if (errs[i] && failed)
			rocksdb_free(errs[i]);
		else if (errs[i])
			failed = errs[i];
	}
	return failed ? rocks_error(t->rocks, e, "reading rows", failed) : ST_OK;
}

static enum status iterator_end(const struct rocks *r, rocksdb_iterator_t *it, struct error *e)
{
	char *err = NULL;
	rocksdb_iter_get_error(it, &err);
	rocksdb_iter_destroy(it);
	return err ? rocks_error(r, e, "scanning", err) : ST_OK;
}

static bool has_prefix(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && memcmp(s.p, prefix.p, prefix.len) == 0;
}

static struct slice iterator_key(rocksdb_iterator_t *it)
{
	size_t len = 0;
	const char *k = rocksdb_iter_key(it, &len);
	return (struct slice){(const uint8_t *)k, (uint32_t)len};
}

static rocksdb_iterator_t *iterator_at(
        struct rocks_task *t, const rocksdb_readoptions_t *how, struct slice key)
{
	rocksdb_iterator_t *it = rocksdb_create_iterator(t->rocks->db, how);
	rocksdb_iter_seek(it, (const char *)key.p, key.len);
	return it;
}

enum status rocks_timers(struct store_task *st, struct slice space, int64_t after_due,
        struct slice after_entity, int64_t upto, struct store_timer *out, uint32_t max,
        uint32_t *n, struct arena *a, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	rocks_key(&t->end, t, KIND_TIMER, space);
	struct slice prefix = buf_view(&t->end);
	rocks_key_timer(&t->key, t, space, after_due, after_entity);
	rocksdb_iterator_t *it = iterator_at(t, t->rocks->iterate, buf_view(&t->key));
	*n = 0;
	for (; *n < max && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		struct slice k = iterator_key(it), entity;
		if (!has_prefix(k, prefix))
			break;
		if (slice_eq(k, buf_view(&t->key)))
			continue;
		int64_t due = rocks_key_due(k, prefix.len, &entity);
		if (due > upto)
			break;
		out[(*n)++] = (struct store_timer){due, arena_slice(a, entity)};
	}
	return iterator_end(t->rocks, it, e);
}

enum status rocks_scan(struct store_task *st, struct slice space, struct slice after,
        struct slice *entities, struct slice *values, uint32_t max, uint32_t *n,
        struct arena *a, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	rocks_key(&t->end, t, KIND_ROW, space);
	struct slice prefix = buf_view(&t->end);
	rocks_key_row(&t->key, t, (struct store_key){space, after});
	rocksdb_iterator_t *it = iterator_at(t, t->rocks->pass, buf_view(&t->key));
	*n = 0;
	for (; *n < max && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		struct slice k = iterator_key(it);
		if (!has_prefix(k, prefix))
			break;
		if (after.len && slice_eq(k, buf_view(&t->key)))
			continue;
		size_t vlen = 0;
		const char *v = rocksdb_iter_value(it, &vlen);
		entities[*n] =
		        arena_slice(a, (struct slice){k.p + prefix.len, k.len - prefix.len});
		values[(*n)++] =
		        arena_slice(a, (struct slice){(const uint8_t *)v, (uint32_t)vlen});
	}
	return iterator_end(t->rocks, it, e);
}
