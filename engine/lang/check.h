/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking a job file: from the YAML tree to struct job. Every map of the file has a table of
 * its keys; the tables are also the reference's source. Keys are read in table order, so that a
 * key may use what an earlier one found. After an error checking goes on with what there is.
 */
#ifndef WEIR_LANG_CHECK_H
#define WEIR_LANG_CHECK_H

#include "lang/compile.h"
#include "lang/job.h"
#include "lang/names.h"
#include "lang/yaml.h"

#define NAME_BYTES_MAX 100
#define ENTITY_FIELDS_MAX 8
#define WINDOW_MS_MIN 1000
#define WINDOW_TILES_MAX 4096
#define CALLS_MAX 2048 /* distinct aggregate calls of a view */

/* A file that job.text must carry in place of its name, as JSON. */
struct inlined {
	const struct yaml_node *node;
	const char *json;
	bool quoted; /* as a text, not as YAML: one node instead of thousands */
	struct inlined *next;
};

struct check {
	struct job *job;
	struct arena *a; /* the job's */
	struct diagnostics *d;
	const struct lang_env *env;
	struct yaml_doc doc;
	const char *base_dir;
	struct inlined *inlined;
	struct names *columns; /* per source: its schema's fields */
	uint32_t errors;       /* diagnostics before this job */
};

struct key {
	const char *name, *type, *standard, *summary; /* standard: the default, or NULL */
	bool required;
	void (*read)(struct check *c, void *object, const struct yaml_node *key,
	        const struct yaml_node *value);
};
/* Tables end with name NULL. */
extern const struct key job_keys[], source_keys[], view_keys[], feature_keys[], offline_keys[],
        monitor_keys[], label_keys[], skew_keys[];

/* Reports at a node. */
void check_error(struct check *c, const struct yaml_node *at, const char *suggestion,
        const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Reads map's keys into object. at: the key that map belongs to, for what is missing; what:
 * "source 'x'". */
void check_map(struct check *c, const struct yaml_node *at, const struct yaml_node *map,
        const struct key *keys, void *object, const char *what);

/* Values; false (or NULL) after an error. */
const char *check_text(struct check *c, const struct yaml_node *key, const struct yaml_node *v);
bool check_duration(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        int64_t min_ms, int64_t *out);
bool check_integer(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        int64_t min, int64_t max, int64_t *out);
/* Letters, digits and _ (and - when dash), a letter first (lower case when dash). */
const char *check_name(
        struct check *c, const struct yaml_node *key, bool dash, const char *what);
/* A key of DESIGN that is not built yet. */
void check_not_yet(struct check *c, void *object, const struct yaml_node *key,
        const struct yaml_node *value);

void check_source(struct check *c, const struct yaml_node *key, const struct yaml_node *map);
void check_view(struct check *c, const struct yaml_node *key, const struct yaml_node *map);
void check_monitor(struct check *c, const struct yaml_node *key, const struct yaml_node *map);
/* check_skew.c: `skew` of a monitor over a source's predictions, whose columns in use are marked.
 */
void check_skew(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        struct monitor *m, const struct source *s);
/* A number from min to max. */
bool check_number(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        double min, double max, double *out);
/* The source that v names; NULL after an error, or when that source had errors. */
const struct source *check_source_named(
        struct check *c, const struct yaml_node *key, const struct yaml_node *v, uint32_t *out);
/* The JSON of a file that v names, of v's text, or of v as YAML; job.text carries it. what: "schema".
 * NULL after an error. */
const char *check_json(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        const char *what, size_t bytes_max);
/* The field of a source's schema that v names, -1 after an error. */
int check_column(struct check *c, const struct source *s, const struct yaml_node *v);

/* check_feature.c: everything about one view's expressions. */
struct features;
/* map: the view's features, whatever it is; for their names. */
struct features *features_new(
        struct check *c, struct view *v, const struct source *s, const struct yaml_node *map);
void features_where(struct features *f, const struct yaml_node *value);
void features_read(struct features *f, const struct yaml_node *map);
/* Fills the view's programs, calls, windows and features. at: the view's name. */
void features_finish(struct features *f, const struct yaml_node *at);

/* Canonical text of all of the view that changes results. */
const char *plan_text(
        const struct job *j, const struct view *v, const char *where_text, struct arena *a);

/* Sets plan_text and state_hash. */
void monitor_plan(const struct job *j, struct monitor *m, struct arena *a);

/* The file with the files it names in it. */
const char *job_text(struct check *c);

#endif
