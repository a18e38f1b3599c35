/* SPDX-License-Identifier: Apache-2.0
 *
 * A segment as bytes: its columns' values joined by ':', each escaped as in an entity
 * (data/entity.h), booleans as true and false, null as "%n". Empty for a monitor without `by`.
 */
#ifndef WEIR_OPERATORS_MONITOR_SEGMENT_H
#define WEIR_OPERATORS_MONITOR_SEGMENT_H

#include "lang/job.h"

/* Of row i; appends. */
void segment_write(const struct monitor *m, const struct batch *b, uint32_t i, struct buf *out);
/* The values, NUL-terminated, NULL for null; m->nby of them, in a. */
const char **segment_values(const struct monitor *m, struct slice segment, struct arena *a);
/* The baseline's part for it. */
const struct baseline_segment *segment_baseline(
        const struct monitor *m, struct slice segment, struct arena *a);

#endif
