/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows to calls. Keys and arguments are gathered apart, as FCALL wants all keys first, and
 * joined once per call. Nothing is allocated per row.
 *
 * Features come from the engine itself: malformed ones are a bug, not input.
 */
#include "connectors/redis/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "connectors/redis/function.h"

#define BEGIN_ENTRIES 3 /* of the fields that all rows begin with */
#define ROWS_AHEAD 4    /* so many rows before its turn a row's bytes are asked for */

static void put_raw(struct buf *b, const void *p, size_t n)
{
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

/* "$<len>\r\n" into reserved room. */
static void put_len(struct buf *b, size_t n)
{
	b->p[b->len++] = '$';
	b->len += num_format_int((char *)b->p + b->len, (int64_t)n);
	put_raw(b, "\r\n", 2);
}

static void word(struct buf *b, const void *p, size_t n)
{
	buf_reserve(b, n + NUM_MAX + 8);
	put_len(b, n);
	put_raw(b, p, n);
	put_raw(b, "\r\n", 2);
}

static void word_int(struct buf *b, int64_t v)
{
	char digits[NUM_MAX];
	word(b, digits, num_format_int(digits, v));
}

static void word_str(struct buf *b, const char *s)
{
	word(b, s, strlen(s));
}

void encode_view_init(struct encode_view *ev, const struct online_view *v, const char *prefix,
        struct arena *a)
{
	ev->view = v;
	ev->key = slice_of(arena_printf(a, "%s:%s:%u:", prefix, v->name, v->version));
	row_plan_init(&ev->row, v->features, v->nfeatures, a);
}

struct encoder *encoder_new(void)
{
	struct encoder *c = xcalloc(1, sizeof(*c));
	buf_init(&c->keys);
	buf_init(&c->args);
	buf_init(&c->text);
	buf_init(&c->begin);
	dump_init(&c->row);
	return c;
}

void encoder_free(struct encoder *c)
{
	if (!c)
		return;
	buf_release(&c->keys);
	buf_release(&c->args);
	buf_release(&c->text);
	buf_release(&c->begin);
	dump_release(&c->row);
	free(c);
}

void calls_free(struct call *list)
{
	while (list) {
		struct call *next = list->next;
		free(list);
		list = next;
	}
}

/* -- one row -- */

static void row_key(struct encoder *c, const struct encode_view *ev, struct slice entity)
{
	buf_reserve(&c->keys, ev->key.len + entity.len + NUM_MAX + 8);
	put_len(&c->keys, ev->key.len + entity.len);
	put_raw(&c->keys, ev->key.p, ev->key.len);
	put_raw(&c->keys, entity.p, entity.len);
	put_raw(&c->keys, "\r\n", 2);
	c->nkeys++;
}

/* _v first, where the guard finds it at once. */
static void rows_begin(struct encoder *c, const char *version)
{
	c->begin.len = 0;
	dump_entry(&c->begin, slice_of("_v"));
	dump_entry(&c->begin, slice_of(version));
	dump_entry(&c->begin, slice_of("_t"));
}

static void row_encode(
        struct encoder *c, const struct encode_view *ev, const struct online_row *row)
{
	row_key(c, ev, row->entity);
	word_int(&c->args, online_row_expires(ev->view, row));
	dump_begin(&c->row);
	dump_raw(&c->row, buf_view(&c->begin), BEGIN_ENTRIES);
	dump_int(&c->row, row->event_time);
	dump_text(&c->row, slice_of("_k"));
	dump_int(&c->row, row->known_at);
	row_features(&ev->row, row->features, &c->memo, &c->text, &c->row);
	struct slice hash = dump_end(&c->row);
	word(&c->args, hash.p, hash.len);
	c->nargs += 2;
}

/* -- one call -- */

static void call_begin(struct encoder *c)
{
	c->keys.len = c->args.len = 0;
	c->nkeys = c->nargs = 0;
}

/* What stands before a row's words, and the record's key behind the keys. */
static struct call *call_end(
        struct encoder *c, const struct encode_epoch *in, bool first, bool last, uint32_t nrows)
{
	struct buf *head = &c->text;
	const struct online_step *s = in->step;
	word_str(&c->keys, in->record_key);
	head->len = 0;
	buf_printf(head, "*%u\r\n", 3 + c->nkeys + 1 + 5 + c->nargs);
	buf_str(head, "$5\r\nFCALL\r\n");
	word_str(head, FUNCTION_PUT);
	word_int(head, c->nkeys + 1);
	size_t keys_at = head->len;
	word_str(head, in->epoch->record.version);
	word_str(head, s->token);
	word_str(head, s->first && first ? "1" : "0");
	word_str(head, s->prev);
	word_str(head, s->record && last ? in->epoch->record.offsets : "");

	size_t len = head->len + c->keys.len + c->args.len;
	struct call *call = xmalloc(sizeof(*call) + len);
	struct buf out = {.p = call->bytes, .cap = len};
	put_raw(&out, head->p, keys_at);
	put_raw(&out, c->keys.p, c->keys.len);
	put_raw(&out, head->p + keys_at, head->len - keys_at);
	if (c->args.len)
		put_raw(&out, c->args.p, c->args.len);
	call->next = NULL;
	call->task = in->task;
	call->seq = 0;
	call->nrows = nrows;
	call->len = len;
	return call;
}

/* The worker has gone over the whole epoch since it made the row. */
static void row_ahead(const struct online_epoch *ep, uint32_t i)
{
	if (i >= ep->nrows)
		return;
	__builtin_prefetch(ep->rows[i].entity.p);
	__builtin_prefetch(ep->rows[i].features.p);
	__builtin_prefetch(ep->rows[i].features.p + 64);
}

struct call *encode_calls(struct encoder *c, const struct encode_epoch *in, struct call **last,
        size_t *bytes, uint32_t *ncalls)
{
	const struct online_epoch *ep = in->epoch;
	struct call *list = NULL, **end = &list;
	uint32_t i = 0;
	*bytes = 0;
	*ncalls = 0;
	rows_begin(c, ep->record.version);
	do {
		uint32_t from = i;
		call_begin(c);
		while (i < ep->nrows && i - from < CALL_ROWS_MAX &&
		        c->keys.len + c->args.len < CALL_BYTES_MAX) {
			row_ahead(ep, i + ROWS_AHEAD);
			row_encode(c, in->views[ep->rows[i].view], &ep->rows[i]);
			i++;
		}
		*last = *end = call_end(c, in, from == 0, i == ep->nrows, i - from);
		*bytes += sizeof(**last) + (*last)->len;
		++*ncalls;
		end = &(*last)->next;
		if (*bytes > in->room) {
			calls_free(list);
			return NULL;
		}
	} while (i < ep->nrows);
	return list;
}
