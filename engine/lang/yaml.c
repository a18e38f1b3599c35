// SPDX-License-Identifier: Apache-2.0
//
// Builds the tree out of libfyaml's events: its own document builder would copy aliased parts
// and loses the place of errors that are ours. The walk keeps a stack of YAML_DEPTH_MAX open
// nodes, so nothing here recurses over the input.
#include "lang/yaml.h"

#include <libfyaml.h>
#include <stdio.h>
#include <xxhash.h>

struct anchor {
	struct slice name;
	struct yaml_node *node;
	bool open; /* its node is not complete: an alias would contain itself */
	struct anchor *next;
};

struct builder {
	struct yaml_doc *doc;
	struct arena *arena;
	struct diagnostics *d;
	struct anchor *anchors;
	struct frame {
		struct yaml_node *node;
		struct yaml_node *key; /* of a map: waits for its value */
		struct anchor *anchor; /* its own, until it is complete */
		uint32_t cap;
	} stack[YAML_DEPTH_MAX];
	uint32_t depth, nanchors, repeated;
	uint32_t last; /* where the last event ended */
	bool failed;
	int documents;
};

static void report_at(const struct builder *b, uint32_t start, uint32_t end,
        const char *suggestion, const char *msg)
{
	struct yaml_node at = {.start = start, .end = end > start ? end : start + 1};
	struct place p = yaml_place(b->doc, &at, b->d);
	place_error(&p, 0, at.end - at.start, suggestion, "%s", msg);
}

/* The same, and nothing more is read. */
static void fail_at(struct builder *b, uint32_t start, uint32_t end, const char *suggestion,
        const char *msg)
{
	report_at(b, start, end, suggestion, msg);
	b->failed = true;
}

static void frame_add(
        struct builder *b, struct frame *f, struct yaml_node *key, struct yaml_node *value)
{
	struct yaml_node *parent = f->node;
	if (parent->n == f->cap) {
		uint32_t cap = f->cap ? 2 * f->cap : 8;
		struct yaml_node **keys = arena_alloc(b->arena, cap * sizeof *keys);
		struct yaml_node **items = arena_alloc(b->arena, cap * sizeof *items);
		if (parent->n) {
			memcpy(keys, parent->keys, parent->n * sizeof *keys);
			memcpy(items, parent->items, parent->n * sizeof *items);
		}
		parent->keys = keys;
		parent->items = items;
		f->cap = cap;
	}
	parent->keys[parent->n] = key;
	parent->items[parent->n++] = value;
	parent->weight +=
	        value->weight; /* bounded by the file's size and by YAML_ALIASED_MAX */
}

/* Hands a complete node to what is open around it. */
static void attach(struct builder *b, struct yaml_node *node)
{
	if (b->depth == 0) {
		b->doc->root = node;
		return;
	}
	struct frame *f = &b->stack[b->depth - 1];
	if (f->node->kind == YAML_LIST) {
		frame_add(b, f, NULL, node);
	} else if (!f->key) {
		f->key = node;
		if (node->kind != YAML_SCALAR || !node->text.len)
			fail_at(b, node->start, node->end, NULL, "a key must be a word");
	} else {
		if (yaml_is_null(node) &&
		        node->start == node->end) { /* empty: stands at its key */
			node->start = f->key->start;
			node->end = f->key->end;
		}
		frame_add(b, f, f->key, node);
		f->key = NULL;
	}
}

static struct slice text_of(struct builder *b, struct fy_token *token)
{
	size_t len = 0;
	const char *p = fy_token_get_text(token, &len);
	return (struct slice){
	        (const uint8_t *)arena_strndup(b->arena, p ? p : "", len), (uint32_t)len};
}

static struct yaml_node *new_node(struct builder *b, enum yaml_kind kind, struct fy_event *e)
{
	const struct fy_mark *start = fy_event_start_mark(e), *end = fy_event_end_mark(e);
	struct yaml_node *n = arena_calloc(b->arena, 1, sizeof *n);
	n->kind = kind;
	n->weight = 1;
	n->text = slice_of("");
	n->start =
	        start ? (uint32_t)start->input_pos : b->last; /* an empty node has no place */
	n->end = end ? (uint32_t)end->input_pos : n->start;
	struct fy_token *tag = fy_event_get_tag_token(e);
	if (tag && kind != YAML_SCALAR)
		fail_at(b, n->start, n->end, NULL, "YAML tags mean nothing here");
	return n;
}

static struct anchor *define_anchor(
        struct builder *b, struct fy_event *e, struct yaml_node *n, bool open)
{
	struct fy_token *token = fy_event_get_anchor_token(e);
	if (!token)
		return NULL;
	if (b->nanchors++ == YAML_ANCHORS_MAX)
		fail_at(b, n->start, n->end, NULL, "the file has too many anchors");
	struct anchor *a = arena_alloc(b->arena, sizeof *a);
	*a = (struct anchor){text_of(b, token), n, open, b->anchors};
	b->anchors = a;
	return a;
}

static void open_node(struct builder *b, struct fy_event *e, enum yaml_kind kind)
{
	struct yaml_node *n = new_node(b, kind, e);
	struct anchor *a = define_anchor(b, e, n, true);
	if (b->depth == YAML_DEPTH_MAX) {
		fail_at(b, n->start, n->end, NULL, "the file is nested too deeply");
		return;
	}
	b->stack[b->depth++] = (struct frame){.node = n, .anchor = a};
}

static void report_duplicate(
        const struct builder *b, const struct yaml_node *key, const struct yaml_node *first)
{
	if (diagnostics_full(b->d))
		return;
	char msg[160];
	snprintf(msg, sizeof msg, "'%.*s' is here twice; it is in line %d already",
	        key->text.len > 60 ? 60 : (int)key->text.len, (const char *)key->text.p,
	        yaml_line(b->doc, first->start));
	report_at(b, key->start, key->end, NULL, msg);
}

/* Reports keys that stand twice in one map and leaves out all but the first, so that what else is
 * wrong with the file is told too; a hash set over the keys. */
static void drop_duplicates(struct builder *b, struct yaml_node *map)
{
	uint32_t kept = 0;
	uint32_t nslots = 16;
	while (nslots < 2 * map->n)
		nslots *= 2;
	uint32_t *slots = arena_calloc(b->arena, nslots, sizeof *slots);
	for (uint32_t i = 0; i < map->n; i++) {
		struct yaml_node *key = map->keys[i];
		uint32_t at = (uint32_t)XXH64(key->text.p, key->text.len, 0) & (nslots - 1);
		while (slots[at] && !slice_eq(map->keys[slots[at] - 1]->text, key->text))
			at = (at + 1) & (nslots - 1);
		if (slots[at]) {
			report_duplicate(b, key, map->keys[slots[at] - 1]);
			continue;
		}
		map->keys[kept] = key;
		map->items[kept] = map->items[i];
		slots[at] = ++kept;
	}
	map->n = kept;
}

static void close_node(struct builder *b, struct fy_event *e)
{
	const struct fy_mark *end = fy_event_end_mark(e);
	struct frame *f = &b->stack[--b->depth];
	struct yaml_node *n = f->node;
	n->end = end ? (uint32_t)end->input_pos : n->start + 1;
	if (f->anchor)
		f->anchor->open = false;
	if (n->kind == YAML_MAP && !b->failed)
		drop_duplicates(b, n);
	attach(b, n);
}

static void scalar(struct builder *b, struct fy_event *e)
{
	struct yaml_node *n = new_node(b, YAML_SCALAR, e);
	struct fy_token *value = fy_event_get_token(e);
	static const enum yaml_style styles[] = {
	        [FYSS_PLAIN] = YAML_PLAIN,
	        [FYSS_SINGLE_QUOTED] = YAML_SINGLE,
	        [FYSS_DOUBLE_QUOTED] = YAML_DOUBLE,
	        [FYSS_LITERAL] = YAML_LITERAL,
	        [FYSS_FOLDED] = YAML_FOLDED,
	};
	enum fy_scalar_style style = fy_token_scalar_style(value);
	n->style = style >= FYSS_PLAIN && style < FYSS_MAX ? styles[style] : YAML_PLAIN;
	if (fy_event_start_mark(e))
		n->text = text_of(b, value);
	n->weight += n->text.len / 16;
	if (fy_event_get_tag_token(e))
		fail_at(b, n->start, n->end, NULL, "YAML tags mean nothing here");
	define_anchor(b, e, n, false);
	attach(b, n);
}

static void alias(struct builder *b, struct fy_event *e)
{
	const struct fy_mark *start = fy_event_start_mark(e), *end = fy_event_end_mark(e);
	uint32_t from = start ? (uint32_t)start->input_pos : 0,
	         to = end ? (uint32_t)end->input_pos : from;
	from -= from > 0 && b->doc->text.p[from - 1] == '*';
	struct slice name = text_of(b, e->alias.anchor);
	const struct anchor *a = b->anchors;
	while (a && !slice_eq(a->name, name))
		a = a->next;
	if (!a)
		fail_at(b, from, to, NULL, "there is no such anchor above");
	else if (a->open)
		fail_at(b, from, to, NULL, "this alias stands inside what it repeats");
	if (b->failed)
		return;
	b->repeated += a->node->weight;
	if (b->repeated > YAML_ALIASED_MAX) {
		fail_at(b, from, to, NULL,
		        "the file is too large once its aliases are written out");
		return;
	}
	a->node->aliased = true;
	attach(b, a->node);
}

static void take_event(struct builder *b, struct fy_event *e)
{
	const struct fy_mark *start = fy_event_start_mark(e);
	switch (e->type) {
	case FYET_DOCUMENT_START:
		if (b->documents++ == 1)
			fail_at(b, start ? (uint32_t)start->input_pos : 0, 0, NULL,
			        "a job file is one document: a second one starts here");
		break;
	case FYET_MAPPING_START:
		open_node(b, e, YAML_MAP);
		break;
	case FYET_SEQUENCE_START:
		open_node(b, e, YAML_LIST);
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		close_node(b, e);
		break;
	case FYET_SCALAR:
		scalar(b, e);
		break;
	case FYET_ALIAS:
		alias(b, e);
		break;
	default:
		break;
	}
}

/* The byte at which a line starts. */
static uint32_t line_start(struct slice text, int line)
{
	const uint8_t *p = text.p, *end = text.p + text.len;
	for (int i = 1; i < line && p < end; i++) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));
		p = nl ? nl + 1 : end;
	}
	return (uint32_t)(p - text.p);
}

/* A tab in front of the first character of a line, at or just below line. */
static bool tab_near(const struct yaml_doc *doc, int line, uint32_t *at)
{
	for (int i = line; i <= line + 1; i++) {
		for (uint32_t k = line_start(doc->text, i); k < doc->text.len; k++) {
			if (doc->text.p[k] == '\t') {
				*at = k;
				return true;
			}
			if (doc->text.p[k] != ' ')
				break;
		}
	}
	return false;
}

/* A second ": " in the line: probably inside a text that YAML takes for a key. */
static bool colon_in_value(struct slice text, int line)
{
	uint32_t colons = 0;
	for (uint32_t i = line_start(text, line); i + 1 < text.len && text.p[i] != '\n'; i++)
		colons += text.p[i] == ':' && text.p[i + 1] == ' ';
	return colons > 1;
}

/* The first error of libfyaml. It points behind the trouble sometimes: nothing to be done. */
static void report_syntax(struct builder *b, struct fy_diag *diag)
{
	void *state = NULL;
	const struct fy_diag_error *err = fy_diag_errors_iterate(diag, &state);
	int line = err && err->line > 0 ? err->line : 1,
	    column = err && err->column > 0 ? err->column : 1;
	uint32_t at = line_start(b->doc->text, line);
	if (tab_near(b->doc, line, &at)) {
		fail_at(b, at, at + 1, "spaces", "YAML is indented with spaces, not with tabs");
		return;
	}
	for (int c = 1; c < column && at < b->doc->text.len && b->doc->text.p[at] != '\n'; c++)
		for (at++; at < b->doc->text.len && (b->doc->text.p[at] & 0xC0) == 0x80; at++)
			;
	if (at >= b->doc->text.len && b->doc->text.len)
		at = b->doc->text.len - 1;
	char msg[300];
	snprintf(msg, sizeof msg, "not YAML: %s%s", err && err->msg ? err->msg : "cannot be read",
	        colon_in_value(b->doc->text, line) ? "; " YAML_QUOTE_HINT : "");
	fail_at(b, at, at + 1, NULL, msg);
}

static void run(struct builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
	struct fy_event *e;
	while (!b->failed && (e = fy_parser_parse(parser))) {
		take_event(b, e);
		const struct fy_mark *end = fy_event_end_mark(e);
		b->last = end ? (uint32_t)end->input_pos : b->last;
		fy_parser_event_free(parser, e);
	}
	if (!b->failed && fy_parser_get_stream_error(parser))
		report_syntax(b, diag);
}

/* Length of the UTF-8 character at p, 0 when it is none or a control character. */
static uint32_t utf8_length(const uint8_t *p, const uint8_t *end)
{
	static const uint32_t low[] = {0, 0, 0x80, 0x800, 0x10000};
	if (*p < 0x80)
		return (*p >= 0x20 && *p != 0x7F) || *p == '\t' || *p == '\n' || *p == '\r';
	uint32_t n = *p >= 0xF0 && *p < 0xF5 ? 4 : *p >= 0xE0 ? 3 : *p >= 0xC2 ? 2 : 0;
	if (!n || *p >= 0xF5 || (size_t)(end - p) < n)
		return 0;
	uint32_t code = *p & (0xFFu >> (n + 1));
	for (uint32_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3Fu);
	}
	return code < low[n] || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF ? 0 : n;
}

static bool check_utf8(struct builder *b)
{
	const uint8_t *p = b->doc->text.p, *end = p + b->doc->text.len;
	while (p < end) {
		uint32_t n = utf8_length(p, end);
		if (!n) {
			uint32_t at = (uint32_t)(p - b->doc->text.p);
			fail_at(b, at, at + 1, NULL, "this byte is not UTF-8 text");
			return false;
		}
		p += n;
	}
	return true;
}

enum status yaml_parse(struct yaml_doc *doc, struct slice text, const char *path,
        struct arena *a, struct diagnostics *d)
{
	*doc = (struct yaml_doc){.text = text, .path = path};
	struct builder *b = arena_calloc(a, 1, sizeof *b);
	b->doc = doc;
	b->arena = a;
	b->d = d;
	if (!check_utf8(b))
		return ST_ERR;
	struct fy_diag_cfg dc;
	fy_diag_cfg_default(&dc);
	dc.fp = NULL;
	dc.colorize = false;
	struct fy_diag *diag = fy_diag_create(&dc);
	INVARIANT(diag != NULL);
	fy_diag_set_collect_errors(diag, true);
	const struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
	                                          FYPCF_JSON_NONE | FYPCF_DEFAULT_VERSION_1_2,
	        .diag = diag};
	struct fy_parser *parser = fy_parser_create(&cfg);
	INVARIANT(parser != NULL);
	if (text.len && fy_parser_set_string(parser, (const char *)text.p, text.len) == 0)
		run(b, parser, diag);
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return b->failed ? ST_ERR : ST_OK;
}
