/* SPDX-License-Identifier: Apache-2.0
 *
 * A checked job: what the job file says, resolved and compiled, with nothing left to look up.
 * It is immutable, lives in one arena and may be shared by threads. How it maps to topics,
 * stages and tasks is the plan's business (run/plan.h), since that needs partition counts.
 */
#ifndef WEIR_LANG_JOB_H
#define WEIR_LANG_JOB_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "data/aggregate.h"
#include "data/codec.h"
#include "data/drift/tests.h"
#include "data/schema.h"
#include "data/window.h"
#include "lang/program.h"

#define JOB_FILE_BYTES_MAX (1 << 20)
#define JOB_STORED_BYTES_MAX (4 << 20) /* with the files it names inlined */
#define JOB_VIEWS_MAX 256
#define JOB_FEATURES_MAX 1024
#define JOB_MONITORS_MAX 64

enum start_kind { START_EARLIEST, START_LATEST, START_TIME };

struct source {
	const char *name, *topic;
	const struct format *format;
	const struct schema *schema;
	int time_field;       /* index into schema->fields */
	int key_field;        /* -1: not named */
	bool *used;           /* per field: some view, the time or the key needs it */
	int64_t lateness_ms;  /* default 0 */
	int64_t idle_ms;      /* 0: not set */
	int64_t max_ahead_ms; /* default 1 day */
	enum start_kind start;
	int64_t start_ms; /* START_TIME */
};

/* One distinct aggregate call of a view; features that say the same share it. */
struct agg_call {
	struct agg_spec spec;
	int arg;          /* output of the view's input program; -1: takes no value */
	int where;        /* output (boolean) of the input program; -1: every event */
	uint32_t window;  /* index into the view's windows */
	const char *text; /* canonical: "count() over 7d where arr_delay > 15" */
};

struct feature {
	const char *name;
	struct type type;
	bool nullable;
	int call;              /* index into calls; -1: an expression of other features */
	int output;            /* of the view's row program, when call is -1 */
	const char *text;      /* as the user wrote it */
	const char *canonical; /* in one spelling, for comparison */
	int line;
	const char *description; /* may be NULL */
};

struct view {
	const char *name;
	uint32_t version;                /* default 1 */
	const char *owner, *description; /* may be NULL */
	uint32_t source;                 /* index into the job's sources */
	uint32_t *entity;                /* fields of the source's schema */
	uint32_t nentity;
	bool *used; /* per field of the source's schema: an expression or the entity needs it */
	struct program *input;  /* over the source's columns; NULL when it has no outputs */
	int where;              /* output of input; -1: every record */
	struct window *windows; /* distinct ones */
	uint32_t nwindows;
	struct agg_call *calls;
	uint32_t ncalls;
	struct program
	        *row; /* over calls' results (columns 0..ncalls-1); NULL: no expressions */
	struct feature *features;
	uint32_t nfeatures;
	int64_t ttl_ms;               /* 0: none */
	int64_t forget_ms;            /* 0: not set */
	int64_t freshness_ms;         /* 0: no promise */
	int64_t offline_retention_ms; /* 0: for ever */
	bool blocks; /* the offline topic: many rows a record (data/block.h) */
	uint32_t shards;              /* 0: default */
	bool expiry;                  /* emit */
	const char
	        *plan_text; /* canonical text of all that changes results; compared by deploy */
	int line;
};

/* Calls of one ring (windows of one tile width, or lifetime) share accumulators: the call whose
 * accumulator holds this one's, from byte *at of it on. It may be the call itself. */
uint32_t view_call_holder(const struct view *v, uint32_t call, uint32_t *at);

/* What a threshold is for. */
struct monitor_test {
	enum drift_test test;
	double threshold;
};

/* Labels: what came of a prediction, told later by another source. */
struct monitor_labels {
	uint32_t source;
	uint32_t id, value; /* fields of that source */
	int64_t wait_ms;    /* how long after its window's end a label still counts */
};

/* Served values beside what a view computed. The monitor's columns are the served ones. */
struct monitor_skew {
	uint32_t view;      /* index into the job's views */
	uint32_t *entity;   /* fields of the source, in the order of the view's entity */
	uint32_t *features; /* of the view, per column */
	double tolerance;   /* relative, where one of both is a real number */
	int64_t within_ms;  /* a value that was right so long ago is right */
	bool known_at;      /* only rows that were known at the prediction's time */
};

struct monitor {
	const char *name;
	uint32_t source;
	uint32_t *by; /* fields of the source: the segment */
	uint32_t nby;
	uint32_t *columns; /* fields of the source */
	uint32_t ncolumns;
	struct baseline *baseline; /* the job's */
	uint32_t *base_columns;    /* per column: its number in the baseline */
	bool by_baseline;          /* the baseline is one by the same columns */
	int64_t window_ms;
	enum drift_mode mode;
	struct monitor_test *tests;
	uint32_t ntests;
	uint32_t sustain;   /* default 1 */
	uint32_t min_rows;  /* default 1 */
	int id, score;      /* fields of the source; -1: not named */
	struct monitor_labels *labels; /* NULL: none */
	struct monitor_skew *skew;     /* NULL: columns are compared with the baseline */
	bool *used; /* per field of the source */
	const char *plan_text;
	uint64_t state_hash; /* of all that the state depends on: thresholds may change */
	int line;
};

struct job {
	struct arena arena;
	const char *name;
	const char *path; /* as given, for messages */
	struct source *sources;
	uint32_t nsources;
	struct view *views;
	uint32_t nviews;
	struct monitor *monitors;
	uint32_t nmonitors;
	int64_t commit_ms; /* `commit:`; 0: the node's default */
	uint32_t workers;  /* `workers:` per node; default 1 */
	const char *text;  /* self-contained YAML: the files it names inlined */
};

/* What the language knows by name; main.c fills it from the folders' tables. */
struct lang_env {
	const struct format *const *formats;       /* NULL-terminated */
	const struct aggregate *const *aggregates; /* NULL-terminated */
	/* Monitors without their baselines, which are not read: for the command that makes them. */
	bool without_baselines;
};

struct diagnostic {
	const char *file;
	int line, column;        /* from 1; 0: the file as a whole */
	const char *message;     /* one sentence, no place in it */
	const char *suggestion;  /* nearest valid word or what to write; may be NULL */
	const char *source_line; /* the line as written; may be NULL */
	uint32_t width;          /* columns to underline */
};

struct diagnostics {
	struct arena arena;
	struct diagnostic *items;
	uint32_t n, cap; /* at most DIAGNOSTICS_MAX are kept, then one says so */
};
#define DIAGNOSTICS_MAX 100

void diagnostics_init(struct diagnostics *d);
void diagnostics_release(struct diagnostics *d);
/* gcc-like: "file:line:column: error: message", the line, a caret, "did you mean …". */
void diagnostics_print(const struct diagnostics *d, struct buf *out);
void diagnostics_json(const struct diagnostics *d, struct buf *out); /* an array of objects */

/* Reads and checks a job file. ST_OK with *out (job_free it), or ST_ERR with at least one
 * diagnostic. Reports every error it can find. Never crashes or loops on any input. Schema
 * paths are relative to the file. */
enum status job_load(
        const char *path, const struct lang_env *env, struct job **out, struct diagnostics *d);
/* The same from memory, as stored in weir.jobs (files inlined) or PUT over HTTP. path is for
 * messages; base_dir resolves relative file names, NULL refuses them. */
enum status job_parse(struct slice yaml, const char *path, const char *base_dir,
        const struct lang_env *env, struct job **out, struct diagnostics *d);
void job_free(struct job *j);

#endif
