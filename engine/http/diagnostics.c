// SPDX-License-Identifier: Apache-2.0
//
// Diagnostics into a reply. Its own file, so that the server does not need the language.
#include "http/diagnostics.h"

#include <stdio.h>

enum http_result http_reply_diagnostics(struct http_reply *r, const struct diagnostics *d)
{
	diagnostics_json(d, &r->diagnostics);
	if (!d->n)
		return HTTP_INVALID;
	const struct diagnostic *first = &d->items[0];
	if (d->n > 1)
		snprintf(r->message, sizeof r->message, "%s (and %u more)", first->message,
		        d->n - 1);
	else
		snprintf(r->message, sizeof r->message, "%s", first->message);
	if (first->line)
		snprintf(r->where, sizeof r->where, "%s:%d:%d", first->file, first->line,
		        first->column);
	else
		snprintf(r->where, sizeof r->where, "%s", first->file ? first->file : "");
	return HTTP_INVALID;
}
