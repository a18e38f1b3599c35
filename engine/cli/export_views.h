/* SPDX-License-Identifier: Apache-2.0
 *
 * The views that weir export works on.
 */
#ifndef WEIR_CLI_EXPORT_VIEWS_H
#define WEIR_CLI_EXPORT_VIEWS_H

#include "cli/cli.h"
#include "connectors/parquet/export.h"

#define EXPORT_VIEWS_MAX 256

/* Of one look: what they need is in an arena of their own. */
struct export_views {
	struct arena arena;
	struct export_conf *items;
	uint32_t n;
};

/* Each of these fills out, which is released after an error too. */
void export_views_release(struct export_views *v);
/* Those named, or with --all those deployed, with all that an export needs. ERR_USER: a name
 * that is none; --all and none is deployed, which is ERR_RETRIABLE with --follow. */
enum status export_views_deployed(struct cli *c, struct export_views *out, struct error *e);
/* Those in --to DIR, for a compaction: every version of those named, or of all. */
enum status export_views_found(struct cli *c, struct export_views *out, struct error *e);

#endif
