/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed rows: how a state row lies in memory between its changes, in the local store and in
 * the changelog. A row is taken as 64-bit words; each is told by four bits: how many of its
 * bytes follow, or which of the eight words seen last it equals. An entity with few events says
 * the same number many times (a sum, a maximum, one per window), so a row shrinks to a third or
 * less.
 *
 *   format, due (8 bytes, little-endian), number of words (varint), bytes, tags (two a byte)
 *
 * The same row always gives the same bytes. A packed row is at most 9 + 5 + n / 2 + 8 n bytes
 * for n words. Not here: what the words mean.
 */
#ifndef WEIR_STATE_PACK_H
#define WEIR_STATE_PACK_H

#include <stdbool.h>

#include "base/buf.h"
#include "data/heap.h"

#define PACK_FORMAT 1
#define PACK_HEAD 9 /* format and due */

/* Appends the packed form of a row that begins with struct row_head; its length is a multiple
 * of eight. */
void pack_write(struct slice row, struct buf *out);
/* The instant the row is due at; STORE_NO_DUE. packed came from pack_write or passed
 * pack_check. */
int64_t pack_due(const uint8_t *packed);
/* Bytes of the row itself. */
uint32_t pack_row_bytes(struct slice packed);
/* Unpacks into out, which has room for pack_row_bytes(). False: this is no packed row. */
bool pack_read(struct slice packed, uint8_t *out);
/* Whether a row that comes from elsewhere is of this format, and whole as far as its head
 * tells. */
bool pack_check(struct slice packed);

#endif
