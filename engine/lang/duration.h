/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations: a whole number and one unit out of ms, s, m, h, d.
 */
#ifndef WEIR_LANG_DURATION_H
#define WEIR_LANG_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define DURATION_MS_MAX (INT64_C(36500) * 24 * 3600 * 1000) /* a hundred years */
#define DURATION_TEXT_MAX 48

/* False when text is no duration or above DURATION_MS_MAX. */
bool duration_parse(struct slice text, int64_t *ms);
/* The nearest right way to write text ("7days" -> "7d"), or NULL; in out. */
const char *duration_suggest(struct slice text, char out[DURATION_TEXT_MAX]);
/* In the largest unit that is whole: "7d", "90s". */
void duration_print(struct buf *b, int64_t ms);

#endif
