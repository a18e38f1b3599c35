/* SPDX-License-Identifier: Apache-2.0
 *
 * docs/reference/language.md, out of the tables that the checker works with.
 */
#ifndef WEIR_LANG_REFERENCE_H
#define WEIR_LANG_REFERENCE_H

#include "base/buf.h"
#include "lang/job.h"

/* Markdown. env brings the formats and aggregates. */
void job_reference(struct buf *out, const struct lang_env *env);

#endif
