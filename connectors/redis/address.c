/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads "host:port", a socket's path, or a redis:// URL. Error messages never repeat the text:
 * it may hold a password. TLS (rediss://) is refused: hiredis 0.14 has none.
 */
#include "connectors/redis/address.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copies [p, end) without its percent escapes; false when it does not fit or is malformed. */
static bool unescape(char *out, size_t room, const char *p, const char *end)
{
	size_t n = 0;
	for (; p < end && n + 1 < room; p++, n++) {
		out[n] = *p;
		if (*p != '%')
			continue;
		if (end - p < 3 || hex(p[1]) < 0 || hex(p[2]) < 0)
			return false;
		out[n] = (char)(hex(p[1]) * 16 + hex(p[2]));
		if (!out[n])
			return false;
		p += 2;
	}
	out[n] = 0;
	return p == end;
}

static bool number(const char *p, size_t n, int max, int *out)
{
	int64_t v;
	if (!num_parse_int(p, n, &v) || v < 0 || v > max)
		return false;
	*out = (int)v;
	return true;
}

/* host, host:port, [v6], [v6]:port. */
static enum status parse_host(
        struct address *a, const char *p, const char *end, struct error *e)
{
	const char *colon = NULL, *host_end = end;
	if (p < end && *p == '[') {
		host_end = memchr(p, ']', (size_t)(end - p));
		if (!host_end)
			return error_set(e, ERR_USER, 0, "redis address: [ without ]");
		colon = host_end + 1 < end ? host_end + 1 : NULL;
		p++;
	} else if ((colon = memchr(p, ':', (size_t)(end - p)))) {
		host_end = colon;
	}
	if (host_end == p || !unescape(a->host, sizeof(a->host), p, host_end))
		return error_set(e, ERR_USER, 0, "redis address: no valid host name");
	if (colon && (*colon != ':' ||
	                     !number(colon + 1, (size_t)(end - colon - 1), 65535, &a->port) ||
	                     a->port == 0))
		return error_set(e, ERR_USER, 0,
		        "redis address: the port is not a number from 1 to 65535");
	return ST_OK;
}

static enum status parse_url(struct address *a, const char *p, struct error *e)
{
	const char *end = p + strlen(p);
	const char *at = memrchr(p, '@', (size_t)(end - p));
	if (at) {
		const char *colon = memchr(p, ':', (size_t)(at - p));
		if (!unescape(a->user, sizeof(a->user), p, colon ? colon : at) ||
		        (colon && !unescape(a->password, sizeof(a->password), colon + 1, at)))
			return error_set(e, ERR_USER, 0,
			        "redis address: user or password too long or badly escaped");
		p = at + 1;
	}
	const char *slash = memchr(p, '/', (size_t)(end - p));
	if (slash && slash + 1 < end &&
	        !number(slash + 1, (size_t)(end - slash - 1), 1 << 20, &a->db))
		return error_set(e, ERR_USER, 0, "redis address: the database is not a number");
	return parse_host(a, p, slash ? slash : end, e);
}

static enum status parse_path(struct address *a, const char *path, struct error *e)
{
	if (!*path || strlen(path) >= sizeof(a->path))
		return error_set(e, ERR_USER, 0,
		        "redis address: a socket's path has 1 to %zu bytes",
		        sizeof(a->path) - 1);
	snprintf(a->path, sizeof(a->path), "%s", path);
	snprintf(a->shown, sizeof(a->shown), "%s", path);
	return ST_OK;
}

enum status address_parse(struct address *a, const char *text, struct error *e)
{
	enum status st;
	memset(a, 0, sizeof(*a));
	a->port = 6379;
	if (!text || !*text)
		return error_set(e, ERR_USER, 0, "redis address: empty; give host:port");
	if (strncmp(text, "rediss://", 9) == 0)
		return error_set(e, ERR_USER, 0,
		        "redis address: TLS is not supported; put a TLS proxy before it");
	if (*text == '/')
		return parse_path(a, text, e);
	if (strncmp(text, "unix:", 5) == 0)
		return parse_path(a, text + (strncmp(text + 5, "//", 2) == 0 ? 7 : 5), e);
	if (strncmp(text, "redis://", 8) == 0)
		st = parse_url(a, text + 8, e);
	else
		st = parse_host(a, text, text + strlen(text), e);
	if (st == ST_OK)
		snprintf(a->shown, sizeof(a->shown), strchr(a->host, ':') ? "[%s]:%d" : "%s:%d",
		        a->host, a->port);
	return st;
}
