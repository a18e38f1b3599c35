/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores that wait for their labels, for a baseline: as a monitor joins them, all in memory.
 */
#ifndef WEIR_CLI_BASELINE_LABELS_H
#define WEIR_CLI_BASELINE_LABELS_H

#include "data/drift/errors.h"
#include "lang/job.h"

struct baseline_ids;
struct baseline_ids *baseline_ids_new(const struct monitor *m);
void baseline_ids_free(struct baseline_ids *ids);
uint64_t baseline_ids_bytes(const struct baseline_ids *ids);

/* Row 0 of the columns. The first score of an id counts. window_end: of the prediction's. */
void baseline_score(struct baseline_ids *ids, const struct column *id,
        const struct column *score, uint32_t group, int64_t window_end);
/* After all scores. The first label of an id counts, if it is in time. */
void baseline_label(struct baseline_ids *ids, const struct column *id,
        const struct column *label, int64_t event_time);
/* Scores with labels, of all and by group; both zeroed before. The ids are gone then. */
void baseline_met(
        struct baseline_ids *ids, struct errors_sums *all, struct errors_sums *groups);

#endif
