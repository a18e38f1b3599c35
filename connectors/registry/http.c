// SPDX-License-Identifier: Apache-2.0
//
// libcurl, confined: http and https only, no redirects (they could carry credentials
// elsewhere), a bounded answer, a bounded time, no signals. Messages name the host but never
// the credentials.
#include "connectors/registry/http.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/arena.h"
#include "connectors/registry/registry.h"

struct http {
	CURL *curl;
	struct curl_slist *headers;
	struct buf *answer;
	bool too_large;
};

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct http *h = arg;
	if (h->answer->len + size * n > REGISTRY_BODY_MAX) {
		h->too_large = true;
		return 0;
	}
	buf_add(h->answer, p, size * n);
	return size * n;
}

struct http *http_new(const char *auth, int64_t timeout_ms)
{
	struct http *h = xcalloc(1, sizeof *h);
	h->curl = curl_easy_init();
	INVARIANT(h->curl);
	h->headers =
	        curl_slist_append(NULL, "Content-Type: application/vnd.schemaregistry.v1+json");
	h->headers =
	        curl_slist_append(h->headers, "Accept: application/vnd.schemaregistry.v1+json");
	h->headers = curl_slist_append(h->headers, "Expect:");
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
	if (auth) {
		curl_easy_setopt(h->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(h->curl, CURLOPT_USERPWD, auth);
	}
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->headers);
	free(h);
}

enum status http_request(struct http *h, const char *url, const struct buf *body, long *code,
        struct buf *answer, struct error *e)
{
	h->answer = answer;
	h->too_large = false;
	answer->len = 0;
	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	if (body) {
		curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE, (long)body->len);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, (const char *)body->p);
	} else {
		curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
	}
	CURLcode rc = curl_easy_perform(h->curl);
	if (h->too_large)
		return error_set(e, ERR_RETRIABLE, 0,
		        "schema registry: an answer above %u bytes", REGISTRY_BODY_MAX);
	if (rc != CURLE_OK)
		return error_set(e, ERR_RETRIABLE, (int)rc, "schema registry: %s: %s", url,
		        curl_easy_strerror(rc));
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, code);
	return ST_OK;
}

char *http_escape(struct http *h, const char *segment)
{
	return curl_easy_escape(h->curl, segment, 0);
}

void http_escaped_free(char *s)
{
	curl_free(s);
}
