/* SPDX-License-Identifier: Apache-2.0
 *
 * The views an online store writes: deep copies, numbered, found again when added twice (by the
 * tasks of one job). A view never changes or goes once added, so rows are read without a lock;
 * adding is the caller's to serialise.
 */
#ifndef WEIR_RUN_ONLINE_VIEW_H
#define WEIR_RUN_ONLINE_VIEW_H

#include "base/arena.h"
#include "run/online.h"

#define ONLINE_VIEWS_MAX 4096
#define ONLINE_FEATURES_MAX 16384
#define ONLINE_EXPIRES_MAX INT64_C(4102444800000000) /* Redis refuses times near 2^63 */

struct online_views {
	struct arena arena;
	struct online_view *v[ONLINE_VIEWS_MAX];
	uint32_t n;
};
void online_views_init(struct online_views *vs);
void online_views_release(struct online_views *vs);
/* The view's number. added (may be NULL): it is a new one. */
uint32_t online_views_add(struct online_views *vs, const struct online_view *v, bool *added);

/* When the row's key expires, ms; 0: never. Saturates. */
int64_t online_row_expires(const struct online_view *v, const struct online_row *row);

#endif
