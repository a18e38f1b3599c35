/* SPDX-License-Identifier: Apache-2.0
 *
 * An endpoint is a row {method, path, handler}. Adding one takes a row in routes.c and a
 * function.
 */
#ifndef WEIR_HTTP_ROUTES_H
#define WEIR_HTTP_ROUTES_H

#include "http/exchange.h"

typedef void http_handler(
        const struct http_context *c, const struct http_request *q, struct http_response *r);

struct http_route {
	const char *method, *pattern; /* {job} stands for a job's name */
	http_handler *handle;
};

http_handler handle_health, handle_ready, handle_metrics, handle_version, handle_jobs,
        handle_job, handle_job_put, handle_job_delete, handle_job_pause, handle_job_resume,
        handle_job_tasks, handle_job_drift, handle_events, handle_page;

#endif
