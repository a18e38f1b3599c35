/* SPDX-License-Identifier: Apache-2.0
 *
 * The errors of a job file as an HTTP reply: the same as `weir check` prints.
 */
#ifndef WEIR_HTTP_DIAGNOSTICS_H
#define WEIR_HTTP_DIAGNOSTICS_H

#include "http/server.h"
#include "lang/job.h"

/* Fills message and where from the first, diagnostics from all. Returns HTTP_INVALID. */
enum http_result http_reply_diagnostics(struct http_reply *r, const struct diagnostics *d);

#endif
