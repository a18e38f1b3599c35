/* SPDX-License-Identifier: Apache-2.0
 *
 * Alertmanager's POST /api/v2/alerts, and what is compatible with it.
 */
#ifndef WEIR_CONNECTORS_ALERTMANAGER_H
#define WEIR_CONNECTORS_ALERTMANAGER_H

#include "base/error.h"
#include "base/slice.h"

#define ALERTMANAGER_TIMEOUT_MS 5000

struct alertmanager;

/* url: up to and without /api/v2/alerts. auth: user:password for basic, or "Bearer TOKEN";
 * NULL: none. Both are copied. ERR_USER: the URL is no http or https one. */
enum status alertmanager_open(
        const char *url, const char *auth, struct alertmanager **out, struct error *e);
void alertmanager_close(struct alertmanager *a);
/* One request, answered 2xx within ALERTMANAGER_TIMEOUT_MS. arg is the alertmanager. */
enum status alertmanager_post(void *arg, struct slice json, struct error *e);

#endif
