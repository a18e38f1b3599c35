/* SPDX-License-Identifier: Apache-2.0
 *
 * The event time of a record: its source's time column in milliseconds since the epoch.
 */
#ifndef WEIR_LANG_EVENT_TIME_H
#define WEIR_LANG_EVENT_TIME_H

#include "data/batch.h"

/* Row i of the time column. False: null, no time, or not within the years 1 to 9999. */
bool event_time_of(const struct column *c, uint32_t i, int64_t *out);

#endif
