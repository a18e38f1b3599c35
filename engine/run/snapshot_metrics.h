/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets every gauge that a snapshot already knows (the node's, lag, watermarks, state,
 * freshness), so that the engine keeps those numbers once. Counters and histograms are the
 * engine's own.
 */
#ifndef WEIR_RUN_SNAPSHOT_METRICS_H
#define WEIR_RUN_SNAPSHOT_METRICS_H

#include "base/metrics.h"
#include "run/snapshot.h"

/* Call it where snapshots are made. Tasks that are elsewhere are left out: their node shows
 * them. A task's or job's series go with metrics_remove_task and metrics_remove_job. */
void snapshot_metrics(const struct snapshot *s, struct metrics *m);

#endif
