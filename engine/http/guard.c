// SPDX-License-Identifier: Apache-2.0
//
// Checks on who asks and for what. Pure functions of header text; they know no routes.
#include "http/guard.h"

#include <string.h>
#include <strings.h>

/* A "." or ".." segment. */
static bool is_dots(const char *p)
{
	size_t n = strspn(p, ".");
	return n >= 1 && n <= 2 && (p[n] == '/' || !p[n]);
}

bool guard_path_ok(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *p = path; *p; p++) {
		if (*p <= ' ' || *p > '~' || strchr("%\\\"<>^`{|}", *p))
			return false;
		if (p[0] == '/' && p[1] == '/')
			return false;
		if (p[0] == '/' && is_dots(p + 1))
			return false;
	}
	return true;
}

/* Digits and dots only, or a bracketed IPv6 address: nobody can register such a name. */
static bool is_numeric(const char *host, size_t n)
{
	if (n > 2 && host[0] == '[' && host[n - 1] == ']')
		return strspn(host + 1, "0123456789abcdefABCDEF:.") == n - 2;
	return n > 0 && strspn(host, "0123456789.") >= n;
}

bool guard_host_ok(const char *host)
{
	static const char local[] = "localhost";
	if (!host)
		return true;
	const char *end = strrchr(host, ':');
	if (!end || strchr(end, ']'))
		end = host + strlen(host);
	else if (strspn(end + 1, "0123456789") != strlen(end + 1))
		return false;
	size_t n = (size_t)(end - host);
	return is_numeric(host, n) ||
	       (n == sizeof local - 1 && strncasecmp(host, local, n) == 0);
}

bool guard_origin_ok(const char *origin, const char *fetch_site, const char *host)
{
	if (fetch_site && strcmp(fetch_site, "same-origin") != 0 &&
	        strcmp(fetch_site, "none") != 0)
		return false;
	if (!origin)
		return true;
	const char *at = strstr(origin, "://");
	return at && host && strcasecmp(at + 3, host) == 0;
}
