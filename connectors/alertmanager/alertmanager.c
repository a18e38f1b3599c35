// SPDX-License-Identifier: Apache-2.0
//
// One POST of alerts with libcurl: http and https only, no redirects (they could carry
// credentials elsewhere), a bounded time, no signals, the answer's body unread. Messages name
// the address, never the credentials. Not here: what is posted when, and trying again
// (run/drift_alerts.c).
#include "connectors/alertmanager/alertmanager.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

struct alertmanager {
	CURL *curl;
	struct curl_slist *headers;
	char *url;
};

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	(void)p, (void)arg;
	return size * n;
}

static void auth_set(struct alertmanager *a, const char *auth)
{
	struct buf b = {0};
	if (!auth)
		return;
	if (strncmp(auth, "Bearer ", 7) == 0) {
		buf_printf(&b, "Authorization: %s", auth);
		a->headers = curl_slist_append(a->headers, buf_cstr(&b));
		buf_release(&b);
		return;
	}
	curl_easy_setopt(a->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(a->curl, CURLOPT_USERPWD, auth);
}

enum status alertmanager_open(
        const char *url, const char *auth, struct alertmanager **out, struct error *e)
{
	size_t n = strlen(url);
	if (strncmp(url, "http://", 7) && strncmp(url, "https://", 8))
		return error_set(e, ERR_USER, 0,
		        "the address of Alertmanager begins with http:// or https://");
	while (n && url[n - 1] == '/')
		n--;
	struct alertmanager *a = xcalloc(1, sizeof *a);
	struct buf b = {0};
	buf_printf(&b, "%.*s/api/v2/alerts", (int)n, url);
	a->url = xstrdup(buf_cstr(&b));
	buf_release(&b);
	a->curl = curl_easy_init();
	INVARIANT(a->curl);
	a->headers = curl_slist_append(NULL, "Content-Type: application/json");
	a->headers = curl_slist_append(a->headers, "Expect:");
	auth_set(a, auth);
	curl_easy_setopt(a->curl, CURLOPT_HTTPHEADER, a->headers);
	curl_easy_setopt(a->curl, CURLOPT_URL, a->url);
	curl_easy_setopt(a->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(a->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(a->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(a->curl, CURLOPT_TIMEOUT_MS, (long)ALERTMANAGER_TIMEOUT_MS);
	curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, on_data);
	*out = a;
	return ST_OK;
}

void alertmanager_close(struct alertmanager *a)
{
	if (!a)
		return;
	curl_easy_cleanup(a->curl);
	curl_slist_free_all(a->headers);
	free(a->url);
	free(a);
}

enum status alertmanager_post(void *arg, struct slice json, struct error *e)
{
	struct alertmanager *a = arg;
	long code = 0;
	curl_easy_setopt(a->curl, CURLOPT_POSTFIELDSIZE, (long)json.len);
	curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, (const char *)json.p);
	CURLcode rc = curl_easy_perform(a->curl);
	if (rc != CURLE_OK)
		return error_set(e, ERR_RETRIABLE, (int)rc, "alerts to %s: %s", a->url,
		        curl_easy_strerror(rc));
	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &code);
	if (code / 100 != 2)
		return error_set(e, ERR_RETRIABLE, (int)code, "alerts to %s: it answers %ld",
		        a->url, code);
	return ST_OK;
}
