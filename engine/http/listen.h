/* SPDX-License-Identifier: Apache-2.0
 *
 * A listening TCP socket from "host:port" text.
 */
#ifndef WEIR_HTTP_LISTEN_H
#define WEIR_HTTP_LISTEN_H

#include <stdbool.h>

#include "base/error.h"

struct listener {
	int fd;
	bool loopback;
	char address[128]; /* "127.0.0.1:41234": numeric, with the port it got */
};

/* A bad address, one that is not ours or a port in use is ERR_USER. */
enum status listener_open(struct listener *l, const char *address, struct error *e);

#endif
