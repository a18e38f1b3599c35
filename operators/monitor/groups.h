/* SPDX-License-Identifier: Apache-2.0
 *
 * Open windows of one partition: per window and segment a profile for each column. The profiles
 * that are being added to are kept unpacked beside the table; their rows hold packed ones,
 * which are made anew when the epoch ends (the table's pack) or when memory runs short.
 */
#ifndef WEIR_OPERATORS_MONITOR_GROUPS_H
#define WEIR_OPERATORS_MONITOR_GROUPS_H

#include "operators/monitor/part.h"

struct group;
struct groups;

struct groups *groups_new(const struct op_conf *conf);
void groups_free(struct groups *g);

/* The live group of an entry, loaded from its row or made: window, segment as in its name. The
 * entry is changed by it. */
enum status groups_open(struct groups *g, struct entry *en, int64_t window,
        struct slice segment, struct group **out, struct arena *a, struct error *e);
/* The rows (numbers in the batch) of the group. */
void group_add(struct groups *g, struct group *x, const struct batch *b, const uint32_t *rows,
        uint32_t n);
/* The group's profiles as a part's body, into out. */
void groups_body(struct groups *g, struct entry *en, struct buf *out, struct arena *a);
/* The entry is dropped. */
void groups_forget(struct groups *g, struct entry *en);
/* The table's pack. */
void groups_pack(struct groups *g, struct heap *h);
/* Packs what is beyond the budget of live groups; between batches. */
void groups_trim(struct groups *g);
void groups_epoch_end(struct groups *g, bool committed);

/* A body back, added to profiles that are initialised. False: damaged, or of other columns. */
bool body_merge(struct slice body, struct profile *profiles, const struct baseline_column *base,
        const struct monitor *m);
void profiles_open(
        struct profile *p, const struct baseline_column *base, const struct monitor *m);
void profiles_close(struct profile *p, const struct monitor *m);
void body_write(const struct profile *profiles, const struct monitor *m, struct buf *out);

#endif
