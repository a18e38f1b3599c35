/* SPDX-License-Identifier: Apache-2.0
 *
 * The views that weir export works on.
 */
#ifndef WEIR_CLI_EXPORT_VIEWS_H
#define WEIR_CLI_EXPORT_VIEWS_H

#include "cli/cli.h"
#include "connectors/parquet/export.h"

#define EXPORT_VIEWS_MAX 256

/* In the options' arena. */
struct export_views {
	struct export_conf *items;
	uint32_t n;
};

/* Those named, or with --all those deployed, with all that an export needs. */
enum status export_views_deployed(struct cli *c, struct export_views *out, struct error *e);
/* Those in --to DIR, for a compaction: every version of those named, or of all. */
enum status export_views_found(struct cli *c, struct export_views *out, struct error *e);

#endif
