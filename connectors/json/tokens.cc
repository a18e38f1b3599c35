// SPDX-License-Identifier: Apache-2.0
//
// The one file that sees simdjson. Only its first stage is used (the vectorised one): it copies
// the last block, so values are read where they lie, and it leaves the walk over the tokens to
// us, which is how skipped columns are validated as strictly as wanted ones. The on-demand
// front end was rejected: it needs padding and does not validate what it skips.
#include "connectors/json/tokens.h"

#include <simdjson.h>

using impl_t = simdjson::internal::dom_parser_implementation;

static constexpr size_t TOKENS_CAPACITY_MIN = 4096;

extern "C" void tokens_init(struct tokens *t)
{
	*t = {};
}

extern "C" void tokens_release(struct tokens *t)
{
	delete static_cast<impl_t *>(t->impl);
	tokens_init(t);
}

static bool grow(struct tokens *t, size_t capacity)
{
	delete static_cast<impl_t *>(t->impl);
	t->impl = nullptr;
	std::unique_ptr<impl_t> made;
	auto &best = simdjson::get_active_implementation();
	/* The depth is of the second stage, which is not run. */
	if (best->create_dom_parser_implementation(capacity, 1, made))
		return false;
	t->impl = made.release();
	return true;
}

static const char *message(simdjson::error_code code)
{
	switch (code) {
	case simdjson::UTF8_ERROR:
		return "not UTF-8";
	case simdjson::UNCLOSED_STRING:
		return "a string does not end";
	case simdjson::UNESCAPED_CHARS:
		return "a control character in a string";
	case simdjson::EMPTY:
		return "no JSON object";
	default:
		return "not JSON";
	}
}

extern "C" const char *tokens_find(struct tokens *t, struct slice text)
{
	auto *impl = static_cast<impl_t *>(t->impl);
	if (!impl || impl->capacity() < text.len) {
		size_t capacity = text.len > TOKENS_CAPACITY_MIN ? text.len * size_t{2}
		                                                 : TOKENS_CAPACITY_MIN;
		if (!grow(t, capacity))
			return "above the size that can be read";
		impl = static_cast<impl_t *>(t->impl);
	}
	auto code = impl->stage1(text.p, text.len, simdjson::stage1_mode::regular);
	if (code)
		return message(code);
	t->at = impl->structural_indexes.get();
	t->n = impl->n_structural_indexes;
	return nullptr;
}
