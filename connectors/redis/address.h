/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a Redis is, out of the text a user gives.
 */
#ifndef WEIR_CONNECTORS_REDIS_ADDRESS_H
#define WEIR_CONNECTORS_REDIS_ADDRESS_H

#include "base/error.h"

#define ADDRESS_TEXT_MAX 512

struct address {
	char host[256];
	char path[108]; /* unix socket; "" when there is none */
	int port, db;
	char user[128], password[ADDRESS_TEXT_MAX]; /* "" when there is none */
	char shown[400];                            /* for messages: no user, no password */
};

enum status address_parse(struct address *a, const char *text, struct error *e);

#endif
