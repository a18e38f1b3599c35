/* SPDX-License-Identifier: Apache-2.0
 *
 * GET from a node's HTTP server.
 */
#ifndef WEIR_CLI_HTTP_GET_H
#define WEIR_CLI_HTTP_GET_H

#include "base/buf.h"
#include "base/error.h"

#define HTTP_GET_MS 5000
#define HTTP_GET_BYTES_MAX (64u << 20)

/* address: "127.0.0.1:8080", "[::1]:80", "host:port". *status is the HTTP status; out gets the
 * body. ERR_RETRIABLE: no answer. */
enum status http_get(
        const char *address, const char *path, int *status, struct buf *out, struct error *e);

#endif
