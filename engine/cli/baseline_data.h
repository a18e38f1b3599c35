/* SPDX-License-Identifier: Apache-2.0
 *
 * A baseline out of a Parquet or CSV file.
 */
#ifndef WEIR_CLI_BASELINE_DATA_H
#define WEIR_CLI_BASELINE_DATA_H

#include "cli/drift_ask.h"

struct baseline_data {
	struct columns *file;
	const char *path;
	struct names columns; /* none: all that can be watched, but by and label */
	struct names categories, by;
	const char *score, *label; /* NULL: none */
	void *arg;
	void (*progress)(void *arg, uint32_t done, uint32_t total); /* columns; may be NULL */
};

enum status baseline_from_data(
        const struct baseline_data *d, struct baseline **out, struct error *e);

#endif
