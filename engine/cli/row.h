/* SPDX-License-Identifier: Apache-2.0
 *
 * An online row as texts, without its bookkeeping fields.
 */
#ifndef WEIR_CLI_ROW_H
#define WEIR_CLI_ROW_H

#include "run/online.h"

#define ROW_FEATURES_MAX 4096

struct online_text {
	uint32_t version;
	int64_t event_time, known_at;
	const char **names, **values; /* features, in Redis's order */
	uint32_t n;
	char missing[300]; /* after ST_END: what there is none of, a sentence */
	struct buf text;
};

/* version 0: the live one. ST_END: no row. Release it in every case. */
enum status online_text_get(struct online_text *row, const struct online_ops *ops,
        struct online *online, const char *view, uint32_t version, const char *entity,
        struct error *e);
void online_text_release(struct online_text *row);

#endif
