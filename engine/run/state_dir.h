/* SPDX-License-Identifier: Apache-2.0
 *
 * A node's state directory: locked by one process, holding the node's id and its store.
 */
#ifndef WEIR_RUN_STATE_DIR_H
#define WEIR_RUN_STATE_DIR_H

#include "base/error.h"

#define NODE_ID_BYTES 16

struct state_dir {
	char path[4096];
	char node[NODE_ID_BYTES + 1]; /* stable over restarts in the same directory */
	int lock_fd;
};

/* Creates it when missing. ERR_USER when another process has it. A directory that was copied is
 * noticed by its id file's inode, and gets an id of its own: two nodes with one id would fence
 * each other for ever. */
enum status state_dir_open(struct state_dir *d, const char *path, struct error *e);
void state_dir_close(struct state_dir *d);

#endif
