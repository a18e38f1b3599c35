// SPDX-License-Identifier: Apache-2.0
//
// Monitors: what is watched, against which baseline, and when it is an alert. The baseline is
// read here, so that a missing column or another schema is an error of the job file.
// Not here: the statistics (data/drift/), how a monitor becomes stages (run/plan_monitors.c).
#include "lang/check.h"

#include <math.h>
#include <stdio.h>

#include "base/num.h"

#define MONITOR_COLUMNS_MAX 256
#define MONITOR_BY_MAX 8
#define SUSTAIN_MAX 1000
#define MIN_ROWS_MAX 1000000000
#define WINDOW_MS_MONITOR INT64_C(1000)

struct monitor_check {
	struct monitor *m;
	const struct source *s; /* NULL: from was wrong */
	const struct yaml_node *map;
	const struct yaml_node *by_node, *columns_node, *baseline_node, *tests_node;
};

static void read_from(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct monitor_check *mc = object;
	mc->s = check_source_named(c, key, v, &mc->m->source);
	if (mc->s)
		mc->m->used = arena_calloc(c->a, mc->s->schema->nfields, sizeof *mc->m->used);
}

static void column_use(struct monitor_check *mc, int field)
{
	mc->s->used[field] = true;
	mc->m->used[field] = true;
}

/* A column, or a list of them; no column twice. */
static uint32_t read_list(struct check *c, struct monitor_check *mc,
        const struct yaml_node *key, const struct yaml_node *v, uint32_t max, uint32_t **out)
{
	if (v->kind == YAML_MAP || yaml_is_null(v) || (v->kind == YAML_LIST && !v->n)) {
		check_error(c, v->kind == YAML_SCALAR ? key : v, NULL,
		        "'%.*s' needs a list of columns", (int)key->text.len,
		        (const char *)key->text.p);
		return 0;
	}
	if (!mc->s)
		return 0;
	uint32_t n = v->kind == YAML_LIST ? v->n : 1, found = 0;
	if (n > max) {
		check_error(c, v->items[max], NULL, "'%.*s' has at most %u columns",
		        (int)key->text.len, (const char *)key->text.p, (unsigned)max);
		n = max;
	}
	*out = arena_alloc(c->a, n * sizeof **out);
	for (uint32_t i = 0; i < n; i++) {
		const struct yaml_node *item = v->kind == YAML_LIST ? v->items[i] : v;
		int field = check_column(c, mc->s, item);
		bool twice = false;
		for (uint32_t k = 0; k < found; k++)
			twice |= (*out)[k] == (uint32_t)field;
		if (field >= 0 && twice)
			check_error(c, item, NULL, "this column is here already");
		else if (field >= 0)
			(*out)[found++] = (uint32_t)field;
		if (field >= 0)
			column_use(mc, field);
	}
	return found;
}

static bool can_be_text(const struct type *t)
{
	return t->kind == KIND_BOOLEAN || type_is_integer(t) || type_is_text(t);
}

static void read_by(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct monitor_check *mc = object;
	char name[TYPE_NAME_MAX];
	mc->m->nby = read_list(c, mc, key, v, MONITOR_BY_MAX, &mc->m->by);
	for (uint32_t i = 0; i < mc->m->nby; i++) {
		const struct field *f = &mc->s->schema->fields[mc->m->by[i]];
		if (!can_be_text(&f->type))
			check_error(c, v->kind == YAML_LIST ? v->items[i] : v, NULL,
			        "a segment is made of texts, enums, booleans and integers: "
			        "'%s' "
			        "is a %s",
			        f->name, type_name(&f->type, name));
	}
}

static void read_columns(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct monitor_check *mc = object;
	char name[TYPE_NAME_MAX];
	mc->m->ncolumns = read_list(c, mc, key, v, MONITOR_COLUMNS_MAX, &mc->m->columns);
	mc->columns_node = v;
	for (uint32_t i = 0; i < mc->m->ncolumns; i++) {
		const struct field *f = &mc->s->schema->fields[mc->m->columns[i]];
		enum drift_kind kind;
		if (!drift_kind_of(&f->type, &kind))
			check_error(c, v->kind == YAML_LIST ? v->items[i] : v, NULL,
			        "a monitor watches numbers, times, texts, enums and booleans: "
			        "'%s' is a %s",
			        f->name, type_name(&f->type, name));
	}
}

static void read_window(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(
	        c, key, v, WINDOW_MS_MONITOR, &((struct monitor_check *)object)->m->window_ms);
}

static bool check_word(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        const char *const *words, int *out)
{
	const char *word = check_text(c, key, v);
	if (!word)
		return false;
	struct suggest near = suggest_for(v->text);
	struct buf all = {0};
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], word) == 0) {
			*out = i;
			buf_release(&all);
			return true;
		}
		suggest_offer(&near, words[i]);
		buf_printf(&all, "%s%s", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
	}
	check_error(c, v, near.best, "'%.*s' is %s", (int)key->text.len,
	        (const char *)key->text.p, buf_cstr(&all));
	buf_release(&all);
	return false;
}

static void read_mode(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	int mode;
	if (check_word(c, key, v, drift_modes, &mode))
		((struct monitor_check *)object)->m->mode = (enum drift_mode)mode;
}

bool check_number(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        double min, double max, double *out)
{
	char lo[NUM_MAX + 1], hi[NUM_MAX + 1];
	double x;
	if (v->kind == YAML_SCALAR &&
	        num_parse_double((const char *)v->text.p, v->text.len, &x) && x >= min &&
	        x <= max) {
		*out = x;
		return true;
	}
	lo[num_format_double(lo, min)] = hi[num_format_double(hi, max)] = 0;
	if (isinf(max))
		check_error(c, v->kind == YAML_SCALAR && !v->text.len ? key : v, NULL,
		        "'%.*s' needs a number from %s up", (int)key->text.len,
		        (const char *)key->text.p, lo);
	else
		check_error(c, v->kind == YAML_SCALAR && !v->text.len ? key : v, NULL,
		        "'%.*s' needs a number from %s to %s", (int)key->text.len,
		        (const char *)key->text.p, lo, hi);
	return false;
}

/* What a threshold may be; the other tests' are from 0 up. */
static double threshold_max(enum drift_test t)
{
	switch (t) {
	case TEST_KS:
	case TEST_KS_P:
	case TEST_JS:
	case TEST_CHI2_P:
	case TEST_NULL_RATE:
	case TEST_OUT_OF_RANGE:
	case TEST_NEW_CATEGORY:
	case TEST_ECE:
	case TEST_BRIER:
	case TEST_SKEW:
	case TEST_SKEW_UNKNOWN:
		return 1;
	default:
		return INFINITY;
	}
}

static int test_named(struct check *c, const struct yaml_node *key)
{
	int test = drift_test_find(key->text);
	if (test >= 0)
		return test;
	struct suggest near = suggest_for(key->text);
	for (int i = 0; i < DRIFT_TESTS; i++)
		suggest_offer(&near, drift_tests[i].name);
	check_error(c, key, near.best, "there is no test '%.*s'",
	        key->text.len > 60 ? 60 : (int)key->text.len, (const char *)key->text.p);
	return -1;
}

static void read_tests(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct monitor_check *mc = object;
	if (v->kind != YAML_MAP || !v->n) {
		check_error(c, v->kind == YAML_SCALAR ? key : v, NULL,
		        "'tests' needs names and thresholds, like {psi: 0.25}");
		return;
	}
	mc->tests_node = v;
	/* No key is in a map twice, so that all fit. */
	mc->m->tests = arena_alloc(c->a, DRIFT_TESTS * sizeof *mc->m->tests);
	for (uint32_t i = 0; i < v->n; i++) {
		int test = test_named(c, v->keys[i]);
		double threshold;
		if (test < 0 || !check_number(c, v->keys[i], v->items[i], 0,
		                        threshold_max((enum drift_test)test), &threshold))
			continue;
		mc->m->tests[mc->m->ntests++] =
		        (struct monitor_test){(enum drift_test)test, threshold};
	}
}

static void read_sustain(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	int64_t n;
	if (check_integer(c, key, v, 1, SUSTAIN_MAX, &n))
		((struct monitor_check *)object)->m->sustain = (uint32_t)n;
}

static void read_min_rows(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	int64_t n;
	if (check_integer(c, key, v, 1, MIN_ROWS_MAX, &n))
		((struct monitor_check *)object)->m->min_rows = (uint32_t)n;
}

static void read_id(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct monitor_check *mc = object;
	char name[TYPE_NAME_MAX];
	(void)key;
	int field = mc->s ? check_column(c, mc->s, v) : -1;
	if (field < 0)
		return;
	const struct type *t = &mc->s->schema->fields[field].type;
	if (!can_be_text(t)) {
		check_error(c, v, NULL, "an id is a text or an integer, not a %s",
		        type_name(t, name));
		return;
	}
	mc->m->id = field;
	column_use(mc, field);
}

static void read_score(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct monitor_check *mc = object;
	char name[TYPE_NAME_MAX];
	(void)key;
	int field = mc->s ? check_column(c, mc->s, v) : -1;
	if (field < 0)
		return;
	const struct type *t = &mc->s->schema->fields[field].type;
	if (!type_is_number(t)) {
		check_error(c, v, NULL, "a score is a number, not a %s", type_name(t, name));
		return;
	}
	mc->m->score = field;
	column_use(mc, field);
}

/* ---- labels */

struct labels_check {
	struct monitor_check *mc;
	const struct source *s;
	struct monitor_labels *l;
};

static void read_labels_from(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct labels_check *lc = object;
	lc->s = check_source_named(c, key, v, &lc->l->source);
}

static void read_labels_id(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct labels_check *lc = object;
	const struct monitor_check *mc = lc->mc;
	char a[TYPE_NAME_MAX], b[TYPE_NAME_MAX];
	(void)key;
	int field = lc->s ? check_column(c, lc->s, v) : -1;
	if (field < 0)
		return;
	const struct type *t = &lc->s->schema->fields[field].type;
	const struct type *of = mc->m->id < 0 ? NULL : &mc->s->schema->fields[mc->m->id].type;
	bool alike = !of || (type_is_text(t) && type_is_text(of)) ||
	             (type_is_integer(t) && type_is_integer(of)) || t->kind == of->kind;
	if (!alike || !can_be_text(t)) {
		check_error(c, v, NULL, "'%s' is a %s, the monitor's id a %s: they never match",
		        lc->s->schema->fields[field].name, type_name(t, a),
		        of ? type_name(of, b) : "text or an integer");
		return;
	}
	lc->l->id = (uint32_t)field;
	lc->s->used[field] = true;
}

static void read_labels_value(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct labels_check *lc = object;
	char name[TYPE_NAME_MAX];
	(void)key;
	int field = lc->s ? check_column(c, lc->s, v) : -1;
	if (field < 0)
		return;
	const struct type *t = &lc->s->schema->fields[field].type;
	if (!type_is_number(t) && t->kind != KIND_BOOLEAN) {
		check_error(c, v, NULL, "a label is a number or a boolean, not a %s",
		        type_name(t, name));
		return;
	}
	lc->l->value = (uint32_t)field;
	lc->s->used[field] = true;
}

static void read_wait(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(c, key, v, 1000, &((struct labels_check *)object)->l->wait_ms);
}

const struct key label_keys[] = {
        {"from", "source", NULL, "The source that tells what came of a prediction.", true,
                read_labels_from},
        {"id", "column", NULL, "Its column with the prediction's id.", true, read_labels_id},
        {"value", "column", NULL,
                "Its column with the label: a number, or a boolean as 0 and 1.", true,
                read_labels_value},
        {"wait", "duration", "24h",
                "How long after its window's end a prediction waits for its label. Label tests "
                "alert once it is over; until then labels restate the window's record.",
                false, read_wait},
        {NULL, NULL, NULL, NULL, false, NULL},
};

static void read_labels(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct monitor_check *mc = object;
	struct labels_check lc = {.mc = mc, .l = arena_calloc(c->a, 1, sizeof *lc.l)};
	lc.l->wait_ms = INT64_C(24) * 3600 * 1000;
	mc->m->labels = lc.l;
	check_map(c, key, v, label_keys, &lc, "'labels'");
	if (!yaml_get(mc->map, "id"))
		check_error(c, key, NULL,
		        "'labels' needs the key 'id' beside it: the column of "
		        "the predictions that a label names");
	if (!yaml_get(mc->map, "score"))
		check_error(c, key, NULL,
		        "'labels' needs the key 'score' beside it: what is "
		        "compared with the label");
}

/* ---- the monitor */

static void read_skew(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct monitor_check *mc = object;
	static const char *const others[] = {
	        "columns", "baseline", "mode", "id", "score", "labels"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		const struct yaml_node *other = yaml_get(mc->map, others[i]);
		if (other)
			check_error(c, other, NULL,
			        "a monitor with 'skew' has no '%s': give it a monitor of its "
			        "own",
			        others[i]);
	}
	if (mc->s)
		check_skew(c, key, v, mc->m, mc->s);
}

static void read_baseline(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct monitor_check *mc = object;
	struct error e = {0};
	mc->baseline_node = v;
	if (c->env->without_baselines)
		return;
	const char *json = check_json(c, key, v, "baseline", JOB_STORED_BYTES_MAX);
	if (!json)
		return;
	if (baseline_parse(slice_of(json), "it", &mc->m->baseline, &e))
		check_error(c, v, NULL, "the baseline is wrong: %s", e.msg);
}

const struct key monitor_keys[] = {
        {"from", "source", NULL, "The source of logged predictions.", true, read_from},
        {"by", "columns", "one segment",
                "Segments: one window, one record and one alert for each combination of their "
                "values, `[model_version]` say.",
                false, read_by},
        {"columns", "columns", "required without `skew`",
                "What is compared with the baseline: features as served, the score.", false,
                read_columns},
        {"baseline", "file, JSON or YAML", "required without `skew`",
                "What `weir baseline` wrote. The name is relative to the job file.", false,
                read_baseline},
        {"window", "duration", NULL, "Length of a window: [k * D, (k + 1) * D) of event time.",
                true, read_window},
        {"mode", "weir, evidently or nannyml", "weir", "Whose binning and treatment of zeros.",
                false, read_mode},
        {"tests", "map", "{psi: 0.25}; in another mode that tool's own; with `skew` {skew: 0}",
                "Tests and their thresholds: see Tests. A value past its threshold breaches.",
                false, read_tests},
        {"sustain", "integer", "1",
                "An alert fires after so many breaching windows in a row, and resolves after "
                "so "
                "many quiet ones.",
                false, read_sustain},
        {"min_rows", "integer", "1",
                "A window with fewer rows is recorded without values, and neither adds to a "
                "row "
                "of breaching or quiet windows nor ends it.",
                false, read_min_rows},
        {"id", "column", NULL, "The prediction's id, for labels.", false, read_id},
        {"score", "column", NULL, "The model's output, for labels.", false, read_score},
        {"labels", "map", NULL, "What came of the predictions: see Labels.", false,
                read_labels},
        {"skew", "map", NULL, "Compares served values with computed ones instead: see Skew.",
                false, read_skew},
        {NULL, NULL, NULL, NULL, false, NULL},
};

static const struct yaml_node *item_of(const struct yaml_node *list, uint32_t i)
{
	return list->kind == YAML_LIST ? list->items[i] : list;
}

/* The column's number in the baseline, of a kind that fits. */
static void baseline_column_fits(struct check *c, struct monitor_check *mc, uint32_t i)
{
	struct monitor *m = mc->m;
	const struct field *f = &mc->s->schema->fields[m->columns[i]];
	const struct yaml_node *at = item_of(mc->columns_node, i);
	const struct baseline_column *columns = m->baseline->segments[0].columns;
	char name[TYPE_NAME_MAX];
	enum drift_kind kind;
	if (!drift_kind_of(&f->type, &kind))
		return; /* said already */
	int32_t k = baseline_column(m->baseline, f->name);
	if (k >= 0 && profile_takes(&columns[k], &f->type)) {
		m->base_columns[i] = (uint32_t)k;
		return;
	}
	if (k >= 0) {
		check_error(c, at, NULL,
		        "the baseline has '%s' as %s, here it is a %s: make the baseline anew",
		        f->name, columns[k].kind == DRIFT_NUMBER ? "numbers" : "categories",
		        type_name(&f->type, name));
		return;
	}
	struct suggest near = suggest_for(slice_of(f->name));
	for (uint32_t j = 0; j < m->baseline->ncolumns; j++)
		suggest_offer(&near, columns[j].name);
	check_error(c, at, near.best, "the baseline has no column '%s'", f->name);
}

static bool same_segments(const struct monitor *m, const struct source *s)
{
	if (m->baseline->nby != m->nby)
		return false;
	for (uint32_t i = 0; i < m->nby; i++)
		if (strcmp(m->baseline->by[i], s->schema->fields[m->by[i]].name) != 0)
			return false;
	return m->nby > 0;
}

static void baseline_fits(struct check *c, struct monitor_check *mc)
{
	struct monitor *m = mc->m;
	if (!m->baseline)
		return;
	m->by_baseline = same_segments(m, mc->s);
	m->base_columns = arena_calloc(c->a, m->ncolumns, sizeof *m->base_columns);
	for (uint32_t i = 0; i < m->ncolumns; i++)
		baseline_column_fits(c, mc, i);
}

static const struct yaml_node *test_key(const struct monitor_check *mc, enum drift_test t)
{
	const struct yaml_node *map = mc->tests_node;
	for (uint32_t i = 0; i < map->n; i++)
		if (drift_test_find(map->keys[i]->text) == (int)t)
			return map->keys[i];
	return map;
}

/* PSI of weir, of a monitor of skew that test; of another tool what that tool would run. */
static void tests_usual(struct check *c, struct monitor *m)
{
	m->tests = arena_alloc(c->a, DRIFT_TESTS * sizeof *m->tests);
	for (int t = 0; t < DRIFT_TESTS; t++) {
		double usual = drift_tests[t].thresholds[m->mode];
		enum drift_test first = m->skew ? TEST_SKEW : TEST_PSI;
		if (!isnan(usual) && (m->mode != MODE_WEIR || t == (int)first))
			m->tests[m->ntests++] =
			        (struct monitor_test){(enum drift_test)t, usual};
	}
}

static void tests_finish(struct check *c, struct monitor_check *mc)
{
	struct monitor *m = mc->m;
	if (!yaml_get(mc->map, "tests"))
		tests_usual(c, m);
	for (uint32_t i = 0; mc->tests_node && i < m->ntests; i++) {
		const struct drift_test_info *t = &drift_tests[m->tests[i].test];
		if (t->skew && !m->skew)
			check_error(c, test_key(mc, m->tests[i].test), NULL,
			        "'%s' compares served values with computed ones: give the "
			        "monitor the key skew",
			        t->name);
		else if (!t->skew && m->skew)
			check_error(c, test_key(mc, m->tests[i].test), NULL,
			        "'%s' is not for a monitor with 'skew': skew and skew_unknown "
			        "are",
			        t->name);
		else if (t->errors && !m->labels)
			check_error(c, test_key(mc, m->tests[i].test), NULL,
			        "'%s' compares scores with labels: give the monitor the keys "
			        "id, "
			        "score and labels",
			        t->name);
		else if (m->tests[i].test == TEST_ERROR_SHIFT && m->baseline &&
		         !m->baseline->segments[0].has_errors)
			check_error(c, test_key(mc, m->tests[i].test), NULL,
			        "'%s' needs a baseline that was made with scores and labels",
			        t->name);
	}
}

void check_monitor(struct check *c, const struct yaml_node *key, const struct yaml_node *map)
{
	struct monitor *m = &c->job->monitors[c->job->nmonitors++];
	*m = (struct monitor){.id = -1, .score = -1, .sustain = 1, .min_rows = 1};
	const char *name = check_name(c, key, false, "monitor");
	m->name = name ? name : arena_strndup(c->a, (const char *)key->text.p, key->text.len);
	m->line = yaml_line(&c->doc, key->start);
	struct monitor_check mc = {.m = m, .map = map};
	check_map(
	        c, key, map, monitor_keys, &mc, arena_printf(c->a, "monitor '%.60s'", m->name));
	const char *const needed[] = {"columns", "baseline"};
	for (int i = 0; i < 2 && map->kind == YAML_MAP; i++)
		if (!yaml_get(map, "skew") && !yaml_get(map, needed[i]))
			check_error(c, key, NULL, "monitor '%.60s' needs the key '%s'", m->name,
			        needed[i]);
	if (!mc.s)
		return;
	baseline_fits(c, &mc);
	if (map->kind == YAML_MAP)
		tests_finish(c, &mc);
	if (c->d->n == c->errors)
		monitor_plan(c->job, m, c->a);
}
