// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the records of a fetched batch: by polls of three, every record lies within the batch, at
// an offset not below the one before it.
#include <stdint.h>
#include <stdlib.h>

#include "connectors/kafka/fetched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define POLL 3

static void records_check(const struct fetched *f, int64_t *next)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < f->n; i++) {
		const struct log_record *r = &f->out[i];
		INVARIANT(r->offset >= *next && r->nheaders <= LOG_HEADERS_MAX);
		*next = r->offset + 1;
		for (uint32_t k = 0; k < r->key.len; k++)
			sum += r->key.p[k];
		for (uint32_t k = 0; k < r->value.len; k++)
			sum += r->value.p[k];
	}
	INVARIANT(sum <= 255 * UINT64_C(65536) * POLL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log_record out[POLL];
	struct fetched f;
	int64_t floor = 0, next = 0;
	uint8_t *copy = malloc(size + 1);
	memcpy(copy, data, size);
	struct fetched_batch t = {.append_timestamp = -1, .next_offset = 100, .at = copy,
	        .end = copy + size};
	fetched_init(&f, 1 << 20);
	f.headers = size % 2;
	fetched_begin(&f, out, POLL);
	enum fetched_end end = fetched_add_batch(&f, t, &floor);
	free(copy);
	records_check(&f, &next);
	while (end != FETCHED_BAD && f.rest.at) {
		fetched_begin(&f, out, POLL);
		end = fetched_add_rest(&f, &floor);
		records_check(&f, &next);
	}
	fetched_release(&f);
	return 0;
}
