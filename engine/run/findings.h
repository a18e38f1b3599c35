/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with a job, in sentences: who lags and why, who holds the time back, what died,
 * what is stale, what failed. Derived from a snapshot alone, so that the status page, `weir
 * status` and an alert say the same. Each answer names its subject and its evidence.
 */
#ifndef WEIR_RUN_FINDINGS_H
#define WEIR_RUN_FINDINGS_H

#include "run/snapshot.h"

#define FINDINGS_MAX 32
#define FINDING_LAG_S 10.0         /* seconds of catching up that are no lag worth a word */
#define FINDING_LAG_RECORDS 1000   /* records that are none */
#define FINDING_HELD_MS 60000      /* watermark behind the job's newest one */
#define FINDING_COMMIT_INTERVALS 5 /* commit intervals without a commit, while records wait */

/* The question it answers. */
enum finding_kind {
	FIND_FAILED,
	FIND_LAG,
	FIND_HELD,
	FIND_DIED,
	FIND_LATE,
	FIND_STALE,
	FIND_ONLINE,
	FIND_DRIFT
};
enum finding_level { LEVEL_NOTE, LEVEL_WARN, LEVEL_BAD };

struct finding {
	enum finding_kind kind;
	enum finding_level level;
	char subject[96]; /* "arrivals:3", "destination", "weir.flights.dead" */
	char text[240];   /* what: a sentence */
	char why[320];    /* because: a sentence, or "" when not known */
};

const char *finding_kind_name(enum finding_kind k); /* failed lag held died late stale online drift */
const char *finding_level_name(enum finding_level l); /* note warn bad */

/* Worst first; returns how many of the FINDINGS_MAX places were filled. */
uint32_t findings_of(const struct snapshot *s, const struct snapshot_job *j,
        struct finding out[FINDINGS_MAX]);

#endif
