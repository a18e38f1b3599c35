// SPDX-License-Identifier: Apache-2.0
//
// A training set in a few lines: per view how many rows found something, what became known too
// late, suspects, what has changed, and one row's origins.
#include "cli/train_say.h"

#include <inttypes.h>

#include "base/human.h"
#include "cli/table.h"

static const char *const tests[] = {[TRAIN_AUC] = "auc",
        [TRAIN_CORRELATION] = "correlation",
        [TRAIN_IS_LABEL] = "equal",
        [TRAIN_NAMED] = "named"};

static double share(uint64_t n, uint64_t of)
{
	return of ? 100.0 * (double)n / (double)of : 0;
}

// ---- for people ----

static void views_print(const struct train_result *r, struct buf *out)
{
	const char *const heads[] = {"view", ">found", ">no row", ">expired", ">no entity",
	        "ttl", ">oldest value", ">known after T", NULL};
	struct text_table t;
	char n[HUMAN_MAX];
	text_table_init(&t, heads);
	for (uint32_t i = 0; i < r->nviews; i++) {
		const struct train_view_counts *v = &r->views[i];
		text_table_row(&t);
		text_table_cell(&t, "%s v%" PRIu32, v->view, v->version);
		text_table_cell(
		        &t, "%s (%.1f %%)", human_count(n, v->found), share(v->found, r->rows));
		text_table_cell(&t, "%s", human_count(n, v->none));
		text_table_cell(&t, "%s", human_count(n, v->expired));
		text_table_cell(&t, "%s", human_count(n, v->no_key));
		text_table_cell(&t, "%s", v->ttl_ms ? human_duration(n, v->ttl_ms) : "none");
		text_table_cell(&t, "%s", v->found ? human_duration(n, v->age_ms_max) : "-");
		text_table_cell(&t, "%s", human_count(n, v->after));
	}
	text_table_print(&t, out);
	text_table_release(&t);
}

static void leaks_print(
        const struct train_conf *conf, const struct train_result *r, struct buf *out)
{
	char n[HUMAN_MAX], late[HUMAN_MAX];
	for (uint32_t i = 0; i < r->nviews; i++) {
		const struct train_view_counts *v = &r->views[i];
		if (v->after)
			buf_printf(out,
			        "warning: %s: %s values (%.1f %%) were known only after T, by "
			        "up "
			        "to %s; --known-at leaves them out\n",
			        v->view, human_count(n, v->after), share(v->after, v->found),
			        human_duration(late, v->after_ms_max));
	}
	for (uint32_t i = 0; i < r->nsuspects; i++) {
		const struct train_suspect *s = &r->suspects[i];
		if (s->what == TRAIN_NAMED)
			buf_printf(out, "warning: %s is called like the label\n", s->column);
		else if (s->what == TRAIN_IS_LABEL)
			buf_printf(
			        out, "warning: %s equals the label in every row\n", s->column);
		else
			buf_printf(out,
			        "warning: %s alone tells the label: %s %.3f; is it known at "
			        "T?\n",
			        s->column, s->what == TRAIN_AUC ? "AUC" : "correlation",
			        s->value);
	}
	if (conf->label && !r->nsuspects && r->judged_rows)
		buf_printf(out, "no feature alone tells the label (%s rows looked at)\n",
		        human_count(n, r->judged_rows));
}

static void origin_print(const struct train_origin *o, struct buf *out)
{
	char when[HUMAN_MAX], known[HUMAN_MAX], age[HUMAN_MAX];
	buf_printf(
	        out, "\n%s v%" PRIu32 " %s: ", o->view, o->version, o->entity ? o->entity : "");
	if (!o->has) {
		buf_str(out, o->entity ? "no row up to T\n" : "the entity is null\n");
		return;
	}
	buf_printf(out, "%s, %s old, known %s%s\n", human_time(when, o->event_time),
	        human_duration(age, o->age_ms), human_time(known, o->known_at),
	        o->state[0] == 'e' ? "; older than the ttl: null" : "");
	buf_printf(out, "  row of %s", o->topic);
	if (o->expiry)
		buf_str(out, ", caused by time");
	else
		buf_printf(out, ", caused by %s[%d]@%" PRId64,
		        o->source ? o->source : "its source", (int)o->source_partition,
		        o->source_offset);
	buf_printf(out, "\n  in %s\n", o->file);
	for (uint32_t i = 0; i < o->nvalues; i++)
		buf_printf(out, "  %s\n", o->values[i]);
}

static void explained_print(
        const struct train_conf *conf, const struct train_result *r, struct buf *out)
{
	char when[HUMAN_MAX];
	if (!r->norigins)
		return;
	buf_printf(out, "%srow %" PRId64 " of the spine, T = %s\n", r->out ? "\n" : "",
	        conf->explain, human_time(when, r->time_explained / 1000));
	for (uint32_t i = 0; i < r->norigins; i++)
		origin_print(&r->origins[i], out);
}

void train_say_table(
        const struct train_conf *conf, const struct train_result *r, struct buf *out)
{
	char rows[HUMAN_MAX], bytes[HUMAN_MAX], offline[HUMAN_MAX];
	if (r->out) {
		buf_printf(out,
		        "%s: %s rows, %" PRIu32 " columns (%" PRIu32
		        " features), %s, from %s offline rows\n",
		        r->out, human_count(rows, r->rows), r->columns, r->features,
		        human_bytes(bytes, r->bytes), human_count(offline, r->offline_rows));
		views_print(r, out);
		leaks_print(conf, r, out);
	}
	explained_print(conf, r, out);
	for (uint32_t i = 0; i < r->nchanges; i++)
		buf_printf(out, "changed: %s\n", r->changes[i]);
	if (conf->again && !r->nchanges)
		buf_str(out, "the same bytes as before\n");
}

// ---- for programs ----

static void text_put(struct buf *b, const char *key, const char *text)
{
	buf_printf(b, "\"%s\":", key);
	if (text)
		buf_json(b, slice_of(text));
	else
		buf_str(b, "null");
}

static void origin_json(const struct train_origin *o, struct buf *b)
{
	buf_byte(b, '{');
	text_put(b, "view", o->view);
	buf_printf(b, ",\"version\":%" PRIu32 ",", o->version);
	text_put(b, "entity", o->entity);
	buf_byte(b, ',');
	text_put(b, "state", o->state);
	if (o->has) {
		buf_printf(b,
		        ",\"event_time\":%" PRId64 ",\"known_at\":%" PRId64
		        ",\"age_ms\":%" PRId64 ",\"expiry\":%s,",
		        o->event_time, o->known_at, o->age_ms, o->expiry ? "true" : "false");
		text_put(b, "topic", o->topic);
		buf_byte(b, ',');
		text_put(b, "source_topic", o->source);
		if (o->expiry)
			buf_str(b, ",\"source_partition\":null,\"source_offset\":null,");
		else
			buf_printf(b, ",\"source_partition\":%d,\"source_offset\":%" PRId64 ",",
			        (int)o->source_partition, o->source_offset);
		text_put(b, "file", o->file);
	}
	buf_byte(b, '}');
}

static void view_json(const struct train_view_counts *v, struct buf *b)
{
	buf_byte(b, '{');
	text_put(b, "view", v->view);
	buf_printf(b,
	        ",\"version\":%" PRIu32 ",\"ttl_ms\":%" PRId64 ",\"found\":%" PRIu64
	        ",\"none\":%" PRIu64 ",\"expired\":%" PRIu64 ",\"no_entity\":%" PRIu64
	        ",\"known_after\":%" PRIu64 ",\"known_after_ms_max\":%" PRId64
	        ",\"age_ms_max\":%" PRId64 "}",
	        v->version, v->ttl_ms, v->found, v->none, v->expired, v->no_key, v->after,
	        v->after_ms_max, v->age_ms_max);
}

void train_say_json(
        const struct train_conf *conf, const struct train_result *r, struct buf *out)
{
	(void)conf;
	buf_byte(out, '{');
	text_put(out, "out", r->out);
	buf_printf(out,
	        ",\"rows\":%" PRIu64 ",\"columns\":%" PRIu32 ",\"bytes\":%" PRIu64
	        ",\"views\":[",
	        r->rows, r->columns, r->bytes);
	for (uint32_t i = 0; i < r->nviews; i++) {
		buf_str(out, i ? "," : "");
		view_json(&r->views[i], out);
	}
	buf_str(out, "],\"suspects\":[");
	for (uint32_t i = 0; i < r->nsuspects; i++) {
		buf_str(out, i ? ",{" : "{");
		text_put(out, "column", r->suspects[i].column);
		buf_printf(out, ",\"test\":\"%s\",\"value\":", tests[r->suspects[i].what]);
		buf_num(out, r->suspects[i].value);
		buf_byte(out, '}');
	}
	buf_str(out, "],\"explained\":[");
	for (uint32_t i = 0; i < r->norigins; i++) {
		buf_str(out, i ? "," : "");
		origin_json(&r->origins[i], out);
	}
	buf_str(out, "],\"changes\":[");
	for (uint32_t i = 0; i < r->nchanges; i++) {
		buf_str(out, i ? "," : "");
		buf_json(out, slice_of(r->changes[i]));
	}
	buf_str(out, "]}\n");
}
