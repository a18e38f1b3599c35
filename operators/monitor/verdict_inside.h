/* SPDX-License-Identifier: Apache-2.0
 *
 * What drift records and alerts are written with. Only verdict.c and alerts.c include it.
 */
#ifndef WEIR_OPERATORS_MONITOR_VERDICT_INSIDE_H
#define WEIR_OPERATORS_MONITOR_VERDICT_INSIDE_H

#include "operators/monitor/verdict.h"

const char *verdict_column(const struct monitor *m, const struct source *s, uint32_t column);
/* An Avro map of text or null. */
void verdict_segment(const struct monitor *m, const struct source *s, struct slice segment,
        struct buf *out, struct arena *a);
/* id: of the registry; 0: single-object framing. */
void verdict_frame(struct buf *out, uint32_t id, const struct schema *s);

#endif
