/* SPDX-License-Identifier: Apache-2.0
 *
 * Compaction: of each day and partition that has more than one file, one file.
 *
 * A day's folder is exchanged as a whole, by one rename: who reads it sees the old files or the
 * new one, never both and never neither (a reader that listed the old ones before and opens
 * them after is told that they are gone). Steps, each safe against a kill:
 *   1. DIR/VIEW/.vN.compact/dt=… gets the merged files, and links to those that stay; synced;
 *   2. the manifest, replaced atomically, names the merged files as "compacting": the decision;
 *   3. each day's folder is exchanged with its new one; synced;
 *   4. the manifest has the merged files in the place of the others, and .vN.compact goes.
 * A kill before 2 leaves a folder that the next start deletes; after it the next start goes on.
 */
#ifndef WEIR_PARQUET_COMPACT_H
#define WEIR_PARQUET_COMPACT_H

#include "connectors/parquet/duck.h"
#include "connectors/parquet/export.h"
#include "connectors/parquet/manifest.h"

#define COMPACT_DAYS_MAX 64 /* decided together */

/* At a start: finishes what was decided, or deletes what was not. */
enum status compact_recover(struct manifest *m, struct error *e);
/* Every day with more than one file of a partition. step (may be NULL) after each thing that a
 * kill could come behind. */
enum status compact_days(struct manifest *m, struct duck *d, struct export_compacted *c,
        void (*step)(void *arg), void *arg, struct error *e);

#endif
