// SPDX-License-Identifier: Apache-2.0
//
// What the file system needs to be told so that a rename is the moment at which something
// exists.
#include "connectors/parquet/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum status files_error(struct error *e, const char *what, const char *path)
{
	return error_set(e, ERR_RETRIABLE, errno, "%s %s: %s", what, path, strerror(errno));
}

enum status files_path(char out[FILES_PATH_MAX], struct error *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(out, FILES_PATH_MAX, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= FILES_PATH_MAX)
		return error_set(e, ERR_USER, 0, "the path is too long: %.80s…", out);
	return ST_OK;
}

enum status files_sync_dir(const char *path, struct error *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return files_error(e, "opening", path);
	int rc = fsync(fd);
	close(fd);
	return rc ? files_error(e, "syncing", path) : ST_OK;
}

enum status files_sync_all(const char *path, struct error *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return files_error(e, "opening", path);
	int rc = syncfs(fd);
	close(fd);
	return rc ? files_error(e, "syncing", path) : ST_OK;
}

enum status files_mkdirs(const char *path, struct error *e)
{
	char at[FILES_PATH_MAX];
	if (!mkdir(path, 0777) || errno == EEXIST)
		return ST_OK;
	if (files_path(at, e, "%s", path))
		return ST_ERR;
	for (char *p = at + 1;; p++) {
		char c = *p;
		if (c && c != '/')
			continue;
		*p = 0;
		if (mkdir(at, 0777) && errno != EEXIST)
			return files_error(e, "making the folder", at);
		if (!c)
			return ST_OK;
		*p = c;
	}
}

static enum status write_all(int fd, struct slice s, const char *path, struct error *e)
{
	while (s.len) {
		ssize_t n = write(fd, s.p, s.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return files_error(e, "writing", path);
		s.p += n;
		s.len -= (uint32_t)n;
	}
	return fsync(fd) ? files_error(e, "syncing", path) : ST_OK;
}

enum status files_replace(
        const char *dir, const char *name, struct slice bytes, struct error *e)
{
	char temp[FILES_PATH_MAX], path[FILES_PATH_MAX];
	if (files_path(temp, e, "%s/%s.tmp", dir, name) ||
	        files_path(path, e, "%s/%s", dir, name))
		return ST_ERR;
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return files_error(e, "creating", temp);
	enum status st = write_all(fd, bytes, temp, e);
	if (close(fd) != 0 && st == ST_OK)
		st = files_error(e, "closing", temp);
	if (st == ST_OK && rename(temp, path) != 0)
		st = files_error(e, "renaming", temp);
	return st == ST_OK ? files_sync_dir(dir, e) : st;
}
