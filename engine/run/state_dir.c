// SPDX-License-Identifier: Apache-2.0
//
// The state directory: <dir>/lock, <dir>/node ("<id> <device>:<inode>"), <dir>/db.
#include "run/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static enum status fail(struct error *e, const char *what, const char *path)
{
	return error_set(e, ERR_USER, errno, "cannot %s %s: %s", what, path, strerror(errno));
}

static enum status make_dirs(const char *path, struct error *e)
{
	char part[4096];
	snprintf(part, sizeof part, "%s", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(part, 0750) && errno != EEXIST)
			return fail(e, "create the state directory", part);
		*p = '/';
	}
	if (mkdir(part, 0750) && errno != EEXIST)
		return fail(e, "create the state directory", part);
	return ST_OK;
}

static enum status lock(struct state_dir *d, struct error *e)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/lock", d->path);
	d->lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0640);
	if (d->lock_fd < 0)
		return fail(e, "open", path);
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return ST_OK;
	close(d->lock_fd);
	d->lock_fd = -1;
	return error_set(e, ERR_USER, EWOULDBLOCK,
		"the state directory %s is in use by another weir process: give this one a "
		"directory of its own (--state DIR)", d->path);
}

/* Written through the open file, so that its inode is the one recorded. */
static enum status id_make(struct state_dir *d, const char *path, struct error *e)
{
	uint8_t bytes[NODE_ID_BYTES / 2];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return fail(e, "make an id for", path);
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(d->node + 2 * i, 3, "%02x", bytes[i]);
	unlink(path);
	FILE *f = fopen(path, "w");
	struct stat st;
	if (!f)
		return fail(e, "write", path);
	bool ok = fstat(fileno(f), &st) == 0 &&
		  fprintf(f, "%s %ju:%ju\n", d->node, (uintmax_t)st.st_dev,
			  (uintmax_t)st.st_ino) > 0;
	if (fclose(f) || !ok)
		return fail(e, "write", path);
	return ST_OK;
}

static enum status id_take(struct state_dir *d, struct error *e)
{
	char path[4200], id[NODE_ID_BYTES + 1] = "";
	uintmax_t dev = 0, ino = 0;
	struct stat st;
	snprintf(path, sizeof path, "%s/node", d->path);
	FILE *f = fopen(path, "r");
	if (!f)
		return errno == ENOENT ? id_make(d, path, e) : fail(e, "read", path);
	int n = fscanf(f, "%16s %ju:%ju", id, &dev, &ino);
	int rc = fstat(fileno(f), &st);
	fclose(f);
	if (n == 3 && rc == 0 && strlen(id) == NODE_ID_BYTES && (uintmax_t)st.st_ino == ino &&
		(uintmax_t)st.st_dev == dev) {
		memcpy(d->node, id, sizeof d->node);
		return ST_OK;
	}
	LOG_WARN("node", "%s was copied from elsewhere, or its id is damaged: taking a new node id",
		d->path);
	return id_make(d, path, e);
}

enum status state_dir_open(struct state_dir *d, const char *path, struct error *e)
{
	memset(d, 0, sizeof *d);
	d->lock_fd = -1;
	snprintf(d->path, sizeof d->path, "%s", path);
	if (make_dirs(path, e) || lock(d, e))
		return ST_ERR;
	if (id_take(d, e)) {
		state_dir_close(d);
		return ST_ERR;
	}
	return ST_OK;
}

void state_dir_close(struct state_dir *d)
{
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	d->lock_fd = -1;
}
