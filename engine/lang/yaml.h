/* SPDX-License-Identifier: Apache-2.0
 *
 * A YAML document as a tree that remembers where everything was written. Aliases point to what
 * they stand for, so a tree never grows beyond its text; how much it would be when written out
 * is counted and bounded. libfyaml is used here alone.
 */
#ifndef WEIR_LANG_YAML_H
#define WEIR_LANG_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "lang/place.h"

#define YAML_DEPTH_MAX 128
#define YAML_ANCHORS_MAX 256
#define YAML_ALIASED_MAX 50000 /* nodes, and 16 bytes of text each, that aliases repeat */

/* Where YAML's own signs may have cut a text short. */
#define YAML_QUOTE_HINT "an expression with `: ` or ` #` in it goes in double quotes"

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_LIST };
enum yaml_style { YAML_PLAIN, YAML_SINGLE, YAML_DOUBLE, YAML_LITERAL, YAML_FOLDED };

struct yaml_node {
	enum yaml_kind kind;
	enum yaml_style style;    /* of a scalar */
	uint32_t start, end;      /* bytes of the file; a quoted scalar's without its quotes */
	struct slice text;        /* of a scalar, decoded; empty for an empty value */
	struct yaml_node **keys;  /* of a map: n keys (scalars) and n values */
	struct yaml_node **items; /* values of a map, items of a list */
	uint32_t n;
	uint32_t weight; /* nodes below and with it, and one for every 16 bytes of text, aliases
	                    written out */
	bool aliased;    /* some alias points here */
};

struct yaml_doc {
	struct slice text;
	const char *path;
	struct yaml_node *root;
};

/* ST_ERR after at least one diagnostic: not UTF-8, not YAML, several documents, tags, too deep,
 * too much. Keys that stand twice are diagnostics too, but the tree is good: it has the first of
 * them. An empty document has root NULL. text must outlive doc. */
enum status yaml_parse(struct yaml_doc *doc, struct slice text, const char *path,
        struct arena *a, struct diagnostics *d);

/* NULL when map has no such key. */
struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* An empty or `null` value. */
bool yaml_is_null(const struct yaml_node *n);
struct place yaml_place(
        const struct yaml_doc *doc, const struct yaml_node *n, struct diagnostics *d);
/* The byte of the file where byte off of the scalar's text was written. */
uint32_t yaml_locate(const struct yaml_doc *doc, const struct yaml_node *n, uint32_t off);
/* Line of a byte of the file, from 1. */
int yaml_line(const struct yaml_doc *doc, uint32_t at);
/* The node as compact JSON; plain scalars as YAML's core schema reads them. */
void yaml_json(struct buf *out, const struct yaml_node *n);

#endif
