/* SPDX-License-Identifier: Apache-2.0
 *
 * The deployed jobs: the compacted topic <prefix>.jobs, one partition, one record per job,
 * keyed by its name. A record is self-contained, so a node needs nothing but Kafka to run it;
 * removing a job is a tombstone. What may be deployed over what is decided here, for the
 * commands and for HTTP alike.
 *
 * Reading, deciding and writing are three steps: of two deploys of one job at the same moment
 * the later record wins, and nodes see both in the same order.
 *
 * The value is JSON, its format version first:
 *   {"format":1, "job":name, "paused":false, "updated_ms":…, "yaml":"…",
 *    "views":[{"name", "version", "live":true, "plan":"…"}…]}
 * views holds every view version ever deployed under the job, so that an old version cannot
 * come back, with another meaning or without the events it has missed; live are those of the
 * definition.
 */
#ifndef WEIR_RUN_CONTROL_H
#define WEIR_RUN_CONTROL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "lang/job.h"
#include "run/log.h"

#define CONTROL_FORMAT 1
#define CONTROL_JOBS_MAX 4096
#define CONTROL_VERSIONS_MAX 4096 /* view versions remembered of one job; the oldest go first  \
	                           */
#define CONTROL_READ_MS 20000     /* for reading the topic to its end */

struct control {
	const struct log_ops *log;
	struct log_broker *broker;
	const char *prefix;
	const struct lang_env *env; /* only control_deploy needs it */
	struct clock *clock;
};

struct control_view {
	const char *name;
	uint32_t version;
	bool live;
	const char *plan;
};

struct control_job {
	const char *name;
	const char *yaml;
	bool paused;
	int64_t updated_ms;
	struct control_view *views;
	uint32_t nviews;
	int64_t offset; /* of its record in the topic; not part of the record */
};

/* What a call came to; http_result and the exit status follow from it. */
enum control_answer {
	CONTROL_OK,
	CONTROL_UNCHANGED, /* fine, and nothing had to be written */
	CONTROL_NO_JOB,    /* e says which */
	CONTROL_CONFLICT,  /* refused: e says why, diff what differs */
	CONTROL_OUTSIDE,   /* e: the outside world failed */
};

/* "<prefix>.jobs" into out. */
const char *control_topic(const char *prefix, char out[256]);
void control_encode(const struct control_job *j, struct buf *out);
/* Everything in a. ERR_USER: malformed, or of a newer format. */
enum status control_decode(
        struct slice value, struct arena *a, struct control_job *out, struct error *e);

/* -- following the topic -- */

struct control_change {
	const char *name;
	bool removed;
	const char *problem; /* the record cannot be used; job is not set */
	struct control_job job;
};
struct control_reader;
/* Creates the topic when create is set. ST_END: there is none (and create is not set). */
enum status control_open(
        const struct control *c, bool create, struct control_reader **out, struct error *e);
void control_close(struct control_reader *r);
/* The next change, valid until the next call. ST_END: none came within timeout_ms. */
enum status control_next(
        struct control_reader *r, int timeout_ms, struct control_change *out, struct error *e);
/* Everything that stood in the topic at control_open was given out. */
bool control_caught_up(const struct control_reader *r);

/* -- all of it, once -- */

struct control_jobs {
	struct arena arena;
	struct control_job *items; /* by name */
	uint32_t n;
};
enum status control_list(const struct control *c, struct control_jobs *out, struct error *e);
void control_jobs_release(struct control_jobs *jobs);
const struct control_job *control_find(const struct control_jobs *jobs, const char *name);
/* The job with a live view of this name; NULL: none. */
const struct control_job *control_find_view(
        const struct control_jobs *jobs, const char *view, uint32_t *version);

/* -- changes -- */

/* Deploys a checked job; a paused job stays paused. Refused when a view version's plan differs
 * from the one deployed, or when another job has a view of the same name. diff may be NULL. */
enum control_answer control_deploy(
        const struct control *c, const struct job *job, struct buf *diff, struct error *e);
enum control_answer control_pause(
        const struct control *c, const char *job, bool paused, struct error *e);
/* Topics, state and online rows stay. */
enum control_answer control_remove(const struct control *c, const char *job, struct error *e);

/* Whether job may follow old (NULL: nothing is deployed). env may be NULL: the plans as stored
 * are compared, not as this program would write them. */
enum control_answer control_check_update(const struct control_job *old, const struct job *job,
        const struct lang_env *env, struct buf *diff, struct error *e);

/* Lines that differ as "-old" and "+new", those that do not as " same". */
void control_diff(struct buf *out, const char *before, const char *after);

#endif
