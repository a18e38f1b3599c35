// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the reading of blocks of rows: the first byte chooses whether the rows' schema is known,
// the rest is a block. Rows lie in the block, in order and apart; a whole one written again is the
// same rows.
#include <stdint.h>

#include "data/avro.h"
#include "data/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct schema *row;

static void prepare(void)
{
	static struct arena a;
	static const struct type t_string = {.kind = KIND_STRING};
	static const struct field f[] = {{.name = "s", .type = {.kind = KIND_STRING}},
	        {.name = "n", .type = {.kind = KIND_LONG}, .nullable = true},
	        {.name = "x", .type = {.kind = KIND_DOUBLE}},
	        {.name = "a",
	                .type = {.kind = KIND_ARRAY, .element = &t_string, .element_nullable = true},
	                .nullable = true}};
	struct error e;
	INVARIANT(schema_build(&a, "r", f, sizeof f / sizeof *f, &row, &e) == ST_OK);
}

/* Its rows, one by one, into another; how many. */
static uint32_t copy(struct slice body, const struct schema *schema, struct buf *out,
        enum status *end)
{
	struct block_reader r;
	struct slice got;
	const uint8_t *last = body.p;
	uint32_t n = 0;
	block_read(&r, body, schema);
	while ((*end = block_next(&r, &got)) == ST_OK) {
		INVARIANT(got.p >= last && got.p + got.len <= body.p + body.len);
		last = got.p + got.len;
		buf_varint(out, -1);
		buf_bytes(out, got);
		n++;
	}
	INVARIANT(n <= body.len);
	buf_varint(out, 0);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once = {0}, twice = {0};
	enum status end;
	if (!row)
		prepare();
	if (!size || size > BLOCK_BYTES_MAX)
		return 0;
	struct slice body = {data + 1, (uint32_t)size - 1};
	block_key_is(body);
	block_unframe(body);
	uint32_t n = copy(body, data[0] & 1 ? row : NULL, &once, &end);
	if (end == ST_END) {
		INVARIANT(copy(buf_view(&once), NULL, &twice, &end) == n && end == ST_END);
		INVARIANT(slice_eq(buf_view(&once), buf_view(&twice)));
	}
	buf_release(&once);
	buf_release(&twice);
	return 0;
}
