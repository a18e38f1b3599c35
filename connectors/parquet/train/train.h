/* SPDX-License-Identifier: Apache-2.0
 *
 * A training set: a spine (Parquet or CSV, one row per example) joined point-in-time with what
 * weir export wrote. Every spine row is kept, in order, with a column view__feature per feature
 * and view___age_ms per view: how old the row is that the view's values come from.
 *
 * The only door to this folder.
 */
#ifndef WEIR_PARQUET_TRAIN_TRAIN_H
#define WEIR_PARQUET_TRAIN_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

#define TRAIN_FORMAT 1
#define TRAIN_VIEWS_MAX 64
#define TRAIN_COLUMNS_MAX 4096          /* of the output */
#define TRAIN_MANIFEST ".manifest.json" /* behind the output's name */

struct train_conf {
	const char *spine; /* .parquet or .csv */
	const char *data;  /* the folder that weir export wrote to */
	const char *out;   /* NULL: nothing is written; for an explanation */
	/* "view:feature", "view:*", "view.v2:feature", several parted by commas. */
	const char *const *features;
	uint32_t nfeatures;
	const char *const *entities; /* "column=spine column" or "view:column=spine column" */
	uint32_t nentities;
	const char *const *ttls; /* "view=30d", instead of the view's own */
	uint32_t nttls;
	const char
	        *time; /* the spine's column; NULL: event_time, timestamp, or the only time */
	const char *label; /* the spine's column; may be NULL */
	bool exclusive;    /* event_time < T instead of <= */
	bool known;        /* also known_at <= T */
	int64_t explain;   /* this row of the spine, from 0; -1: none */
	const char *again; /* the manifest of an earlier run, which then decides; may be NULL */
	uint64_t memory_bytes;
	uint32_t threads; /* 0: one per core */
	const char *weir; /* the program's version */
	void *arg;
	void (*progress)(
	        void *arg, int64_t done, int64_t total); /* offline rows; may be NULL */
};

struct train_view_counts {
	const char *view;
	uint32_t version;
	int64_t ttl_ms;   /* 0: none */
	uint64_t found;   /* spine rows with a row of the view */
	uint64_t none;    /* no row up to T */
	uint64_t expired; /* one, but older than the ttl */
	uint64_t no_key;  /* a null among the entity columns */
	uint64_t after;   /* found, and its known_at > T */
	int64_t after_ms_max;
	int64_t age_ms_max;
};

enum train_suspicion {
	TRAIN_AUC,
	TRAIN_CORRELATION,
	TRAIN_IS_LABEL, /* equal in every row */
	TRAIN_NAMED     /* called like it */
};
struct train_suspect {
	const char *column;
	enum train_suspicion what;
	double value;
};

/* The offline row that gave a view's values to the explained row. */
struct train_origin {
	const char *view;
	uint32_t version;
	const char *entity; /* its values joined by ':', escaped as in Redis; NULL: a null */
	const char *state;  /* "found", "none", "expired", "no entity" */
	bool has;           /* the following are set */
	int64_t event_time, known_at; /* ms */
	int64_t age_ms;
	bool expiry; /* time caused it: it has no source position */
	int32_t source_partition;
	int64_t source_offset;
	const char *source; /* topic; NULL: the export does not say */
	const char *topic, *file;
	const char *const *values; /* "feature = value" */
	uint32_t nvalues;
};

struct train_result {
	struct arena arena;
	const char *out; /* NULL: not written */
	uint64_t rows, bytes;
	uint32_t columns, features;
	uint64_t offline_rows;
	char spine_hash[33], out_hash[33];
	struct train_view_counts *views;
	uint32_t nviews;
	struct train_suspect *suspects;
	uint32_t nsuspects;
	uint64_t judged_rows;   /* that suspects were looked for in */
	int64_t time_explained; /* T, µs */
	struct train_origin *origins;
	uint32_t norigins;
	/* Against the manifest of conf->again: what differs, a sentence each. */
	const char **changes;
	uint32_t nchanges;
};

/* ERR_USER: what was asked for does not fit the files (a column or feature that is not there,
 * a time that is none); ERR_FATAL: a file cannot be read or written. ST_END, with again alone:
 * the same bytes cannot be had, result->changes says why. */
enum status train_run(const struct train_conf *conf, struct train_result *out, struct error *e);
void train_result_release(struct train_result *r);

#endif
