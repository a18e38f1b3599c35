/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may ask: checks of a request's path, host and origin. The server has no log-in; on a
 * loopback address what it must withstand is other local users' mistakes and the web pages that
 * a browser on this machine has open (forged requests, DNS rebinding).
 */
#ifndef WEIR_HTTP_GUARD_H
#define WEIR_HTTP_GUARD_H

#include <stdbool.h>

/* Absolute, printable ASCII, and without what only tricks need: escapes, backslashes, "//" and
 * dot segments. No name of ours needs any of them, so nothing is ever decoded. */
bool guard_path_ok(const char *path);
/* On a loopback address only a numeric host or localhost is genuine: any other name got here by
 * rebinding. NULL (HTTP/1.0) is fine. */
bool guard_host_ok(const char *host);
/* A request that changes something must not come from another site's page. Programs send
 * neither header. */
bool guard_origin_ok(const char *origin, const char *fetch_site, const char *host);

#endif
