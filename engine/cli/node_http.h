/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node's HTTP server may do to jobs: the control functions of run/control.h as replies.
 */
#ifndef WEIR_CLI_NODE_HTTP_H
#define WEIR_CLI_NODE_HTTP_H

#include "http/server.h"
#include "run/control.h"

struct node_http {
	struct control control;
	const char *only; /* the one job of `weir run`; NULL: deployed ones */
	const char *only_yaml;
};

/* Fills the calls; cell and metrics are the caller's. nh must outlive the server. */
void node_http_calls(struct node_http *nh, struct http_node *out);

#endif
