// SPDX-License-Identifier: Apache-2.0
//
// The stream W of the benchmarks: events of 1,000,000 users, how often each comes by a zipf law
// of 0.99, out of order by up to 2 s, as JSON of about 200 bytes (or Avro) keyed by user. The
// same settings give the same bytes, always. It does not know Kafka.
#include "stream.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ITEMS 50000
#define ZIPF 0.99
#define DISORDER_MS 2000

/* splitmix64 */
static uint64_t rnd(struct stream *s)
{
	uint64_t z = (s->state += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Gray et al., Quickly generating billion-record synthetic databases, 1994. */
void stream_init(struct stream *s, const struct stream_conf *conf)
{
	*s = (struct stream){.conf = *conf,
	        .state = 0x9e3779b97f4a7c15,
	        .alpha = 1 / (1 - ZIPF),
	        .half = 1 + pow(0.5, ZIPF)};
	for (uint64_t i = 1; i <= conf->users && !conf->each; i++)
		s->zeta += pow((double)i, -ZIPF);
	s->eta = (1 - pow(2.0 / (double)conf->users, 1 - ZIPF)) / (1 - s->half / s->zeta);
}

static uint32_t zipf_rank(struct stream *s)
{
	double u = (double)(rnd(s) >> 11) * 0x1p-53, uz = u * s->zeta;
	if (uz < 1)
		return 0;
	if (uz < s->half)
		return 1;
	uint64_t rank =
	        (uint64_t)((double)s->conf.users * pow(s->eta * u - s->eta + 1, s->alpha));
	return (uint32_t)(rank < s->conf.users ? rank : s->conf.users - 1);
}

/* Which user event i is of. */
static uint64_t user_of(struct stream *s, uint64_t i, struct stream_event *ev)
{
	const struct stream_conf *c = &s->conf;
	ev->rank = UINT32_MAX;
	if (c->each)
		return c->each_from + i;
	if (c->first_each && i < c->users)
		return i * UINT64_C(2654435761) % c->users;
	ev->rank = zipf_rank(s);
	if (c->hot_percent && rnd(s) % 100 < c->hot_percent)
		ev->rank = 0;
	return ev->rank * UINT64_C(2654435761) % c->users; /* a prime: a bijection */
}

static void put_text(struct buf *b, const char *text)
{
	buf_varint(b, (int64_t)strlen(text));
	buf_str(b, text);
}

struct fields {
	char id[16], item[8], session[40];
	const char *type, *country;
	uint32_t units, cents;
	int64_t ts;
};

static void write_avro(struct stream_event *ev, const struct fields *f)
{
	struct buf *b = &ev->value;
	put_text(b, f->id);
	put_text(b, ev->key);
	put_text(b, f->item);
	put_text(b, f->type);
	buf_double(b, (f->units * 100 + f->cents) / 100.0);
	buf_varint(b, f->ts);
	put_text(b, f->country);
	put_text(b, f->session);
}

static void write_json(struct stream_event *ev, const struct fields *f)
{
	buf_printf(&ev->value,
	        "{\"event_id\":\"%s\",\"user_id\":\"%s\",\"item_id\":\"%s\",\"type\":\"%s\","
	        "\"amount\":%u.%02u,\"ts\":%lld,\"country\":\"%s\",\"session\":\"%s\"}",
	        f->id, ev->key, f->item, f->type, f->units, f->cents, (long long)f->ts,
	        f->country, f->session);
}

void stream_next(struct stream *s, uint64_t i, int64_t ts, struct stream_event *ev)
{
	static const char *const types[] = {"view", "view", "view", "cart", "buy", "search"};
	static const char *const countries[] = {"DE", "FR", "US", "GB", "IN", "BR", "JP", "PL"};
	ev->user = user_of(s, i, ev);
	uint64_t bits = rnd(s), session = rnd(s);
	ev->item = (uint32_t)(bits >> 12 & 0xffff) % ITEMS;
	ev->key_len = (uint32_t)snprintf(
	        ev->key, sizeof ev->key, "u%06llu", (unsigned long long)ev->user);
	struct fields f = {.type = types[(bits >> 28) % 6],
	        .country = countries[bits >> 61],
	        .units = (uint32_t)(bits >> 32 & 0x3ff),
	        .cents = (uint32_t)(bits >> 42 & 0x7f) % 100,
	        .ts = ts - (int64_t)(bits % DISORDER_MS)};
	snprintf(f.id, sizeof f.id, "e%012llu", (unsigned long long)i);
	snprintf(f.item, sizeof f.item, "i%05u", ev->item);
	snprintf(f.session, sizeof f.session, "%016llx-%016llx", (unsigned long long)session,
	        (unsigned long long)(session * 0xc2b2ae3d27d4eb4f));
	ev->value.len = 0;
	if (s->conf.avro)
		write_avro(ev, &f);
	else
		write_json(ev, &f);
}
