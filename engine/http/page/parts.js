// SPDX-License-Identifier: Apache-2.0
//
// The parts of a job's page, each a function of the job's data: the numbers, the four answers (who
// lags, who holds time back, what died, what is stale), partitions, features, dead letters and
// recent errors.

import {h} from './dom.js';
import {sparkline} from './graph.js';
import {NONE, ago, bytes, count, duration, rate, short, time} from './format.js';

/** Rows of the partitions, until "show all": the worst ones come first. */
function rowsMax() {
	return matchMedia('(max-width: 720px)').matches ? 5 : 12;
}

function tile(title, value, note, spark) {
	return h('div', {class: 'tile'}, h('h3', null, title), h('p', {class: 'value'}, value),
		note && h('p', {class: 'note'}, note), spark && sparkline(spark));
}

/** How long the slowest partition needs at its present rate. */
function catchUp(job) {
	if (job.lag_records === null) return null;
	const behind = job.tasks.filter((t) => t.lag_records > 0);
	if (!behind.length) return 'read to the end';
	if (job.state !== 'running') return `the job is ${job.state}`;
	if (behind.some((t) => !t.records_per_s)) return 'a partition does not move';
	const ms = Math.max(...behind.map((t) => (t.lag_records / t.records_per_s) * 1000));
	return ms < 1000 ? 'under a second' : `slowest: ${duration(ms)} of work`;
}

export function tiles(job, history, now) {
	const left = catchUp(job);
	return h('div', {class: 'tiles'},
		tile('Records in', rate(job.records_per_s), count(job.records) + ' in all', history.records),
		tile('Rows out', rate(job.rows_per_s), count(job.rows) + ' in all', history.rows),
		tile('Behind', short(job.lag_records), left, history.lag),
		tile('Event time', h('span', {class: 'time'}, time(job.stream_time_ms)),
			job.watermark_ms !== null && `watermark ${duration(job.stream_time_ms - job.watermark_ms)} behind`),
		tile('State', bytes(job.state_bytes), count(job.state_entities) + ' rows'),
		tile('Last commit', ago(job.last_commit_ms, now),
			job.commit_ms ? `every ${duration(job.commit_ms)}` : null));
}

function answer(question, findings, fine) {
	const level = findings[0]?.level ?? 'fine';
	return h('article', {class: 'answer ' + level},
		h('h3', null, question),
		findings.length === 0 && h('p', {class: 'fine'}, fine),
		findings.slice(0, 4).map((f) => h('div', {class: 'finding ' + f.level},
			h('p', null, f.text), f.why && h('p', {class: 'why'}, f.why))),
		findings.length > 4 && h('p', {class: 'note'}, `and ${findings.length - 4} more`));
}

export function answers(job) {
	const of = (...kinds) => job.findings.filter((f) => kinds.includes(f.kind));
	const failed = of('failed');
	return h('section', {'aria-label': 'What is wrong'},
		failed.map((f) => h('div', {class: 'alarm ' + f.level, role: 'alert'},
			h('b', null, f.text), ' ', f.why)),
		h('div', {class: 'answers'},
			answer('Who lags, and why?', of('lag'), 'Nobody: every partition is read to its end or nearly so.'),
			answer('Who holds time back?', of('held'), 'Nobody: the watermarks are close together.'),
			answer('What died?', of('died', 'late'), 'Nothing: no dead letters, no late records.'),
			answer('What is stale?', of('stale', 'online', 'drift'), job.views.some((v) => v.freshness_ms)
				? 'Nothing: every promise is kept.' : 'Nothing promised: no view has a `freshness`.')));
}

const COLUMNS = [
	{key: 'name', title: 'Partition', of: (t) => t.stage + '\u0000' + String(t.partition).padStart(6, '0')},
	{key: 'lag', title: 'Behind', of: (t) => -(t.lag_records ?? -1)},
	{key: 'rate', title: 'Records', of: (t) => -t.records_per_s},
	{key: 'watermark', title: 'Watermark', of: (t) => t.watermark_ms ?? Infinity},
	{key: 'state', title: 'State', of: (t) => -t.state_bytes},
	{key: 'commit', title: 'Last commit', of: (t) => t.last_commit_ms ?? -1},
	{key: 'owner', title: 'Owner', of: (t) => t.owner ?? ''},
];

function compare(a, b) {
	return a < b ? -1 : a > b ? 1 : 0;
}

function bar(share, level) {
	const width = Math.max(0, Math.min(1, share)) * 100;
	return h('svg', {class: 'bar ' + level, viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
		h('rect', {class: 'back', width: 100, height: 4}),
		h('rect', {class: 'fill', width: width.toFixed(1), height: 4}));
}

function cell(title, ...content) {
	return h('td', {'data-title': title}, h('div', null, ...content));
}

function restoring(t) {
	const share = t.restore_rows_total ? t.restore_rows / t.restore_rows_total : 0;
	return h('div', {class: 'restore'}, bar(share, 'note'), h('span', {class: 'note'},
		`${Math.round(share * 100)} % of ${short(t.restore_rows_total)} rows, ${bytes(t.restore_bytes)}`,
		t.restore_eta_ms !== null && `, ${duration(t.restore_eta_ms)} to go`));
}

function offsets(t) {
	return t.inputs.map((i) => `${i.topic}[${i.partition}] ${count(i.offset)} of ${count(i.end)}` +
		(i.idle ? ', idle' : '') + (i.paused ? ', not fetched' : '')).join('\n');
}

function level(job, t) {
	const f = job.findings.find((x) => x.subject === t.name);
	return f?.level ?? (t.state === 'failed' ? 'bad' : '');
}

function under(job, t, now) {
	return (t.last_error || t.waits_for) && h('tr', {class: 'under'},
		h('td', {colspan: COLUMNS.length},
			t.waits_for && h('p', {class: 'waits'}, 'Waits: ', t.waits_for),
			t.last_error && h('p', {class: 'error'}, `Last error, ${ago(t.last_error_ms, now)}: ${t.last_error}`)));
}

function watermark(t, newest, spread) {
	const behind = t.watermark_ms === null ? null : newest - t.watermark_ms;
	const held = behind > 60e3;
	return cell('Watermark', h('span', {class: 'time'}, time(t.watermark_ms)),
		held && bar(behind / spread, 'warn'),
		held && h('span', {class: 'note'}, `${duration(behind)} behind` +
			(t.held_by && t.inputs.length > 1 ? `, held by ${t.held_by}` : '')));
}

function taskRow(job, t, newest, spread, most, now) {
	return [h('tr', {class: level(job, t)},
		h('th', {scope: 'row', title: offsets(t)}, h('span', {class: 'dot ' + t.state}), `${t.stage}`,
			h('span', {class: 'partition'}, `[${t.partition}]`),
			t.state !== 'running' && h('span', {class: 'badge ' + t.state}, t.state)),
		cell('Behind', t.state === 'restoring' ? restoring(t)
			: [h('span', {class: 'num wide'}, count(t.lag_records)),
				bar((t.lag_records ?? 0) / most, level(job, t) || 'fine')]),
		cell('Records', h('span', {class: 'num'}, rate(t.records_per_s))),
		watermark(t, newest, spread),
		cell('State', h('span', {class: 'num'}, bytes(t.state_bytes)),
			h('span', {class: 'note'}, `${count(t.state_entities)} rows`)),
		cell('Last commit', h('span', {class: 'num'}, ago(t.last_commit_ms, now)), h('span', {class: 'note'},
			t.commit_took_ms !== null && `took ${duration(t.commit_took_ms)}`,
			t.epoch !== null && `, epoch ${t.epoch}`)),
		cell('Owner', t.owner_http ? h('a', {href: `http://${t.owner_http}/#${job.name}`}, t.owner ?? t.owner_http)
			: t.owner ?? NONE)),
	under(job, t, now)];
}

export function partitions(job, ui, now) {
	const column = COLUMNS.find((c) => c.key === ui.sort) ?? COLUMNS[1];
	const sorted = [...job.tasks].sort((a, b) => (ui.down ? -1 : 1) * compare(column.of(a), column.of(b)) ||
		compare(COLUMNS[0].of(a), COLUMNS[0].of(b)));
	const shown = ui.all ? sorted : sorted.slice(0, rowsMax());
	const marks = job.tasks.map((t) => t.watermark_ms).filter((w) => w !== null);
	const newest = Math.max(...marks), spread = newest - Math.min(...marks);
	const most = Math.max(1, ...job.tasks.map((t) => t.lag_records ?? 0));
	const head = COLUMNS.map((c) => h('th', {scope: 'col',
		'aria-sort': c === column ? (ui.down ? 'descending' : 'ascending') : 'none'},
	h('button', {'data-sort': c.key, type: 'button'}, c.title)));
	return h('section', {'aria-labelledby': 'h-tasks'},
		h('h2', {id: 'h-tasks'}, 'Partitions ', h('span', {class: 'note'},
			`${job.task_counts.running} of ${job.task_counts.total} running`)),
		h('div', {class: 'scroll'}, h('table', {class: 'cards'}, h('thead', null, h('tr', null, head)),
			h('tbody', null, shown.map((t) => taskRow(job, t, newest, spread, most, now))))),
		sorted.length > shown.length && h('button', {class: 'more', 'data-all': 'true', type: 'button'},
			`Show all ${sorted.length}`));
}

function oddities(v) {
	return [['with a null entity', v.null_entities], ['overflows', v.overflows], ['failed casts', v.failed_casts],
		['NaN or infinite', v.not_finite], ['sets at their cap', v.capped], ['dropped online', v.online_dropped]]
		.filter(([, n]) => n > 0).map(([what, n]) => `${count(n)} ${what}`).join(', ');
}

function viewRow(v, now) {
	const age = v.known_at_ms === null ? null : Math.max(0, now - v.known_at_ms);
	const late = v.freshness_ms !== null && (age === null || age > v.freshness_ms);
	return h('tr', {class: late ? 'bad' : ''},
		h('th', {scope: 'row'}, h('details', {'data-key': v.name},
			h('summary', null, v.name, h('span', {class: 'partition'}, ` v${v.version}`),
				h('span', {class: 'note'}, ` by ${v.entity.join(', ')}, ${v.features.length} features`)),
			h('p', {class: 'note'}, [v.description, v.owner && `Owner: ${v.owner}`, v.topic].filter(Boolean).join(' · ')),
			h('ul', {class: 'features'}, v.features.map((f) => h('li', null, h('b', null, f.name), ' ',
				h('span', {class: 'type'}, f.type), ' ', h('code', null, f.text)))))),
		cell('Newest values', h('b', {class: late ? 'late' : ''}, duration(age)),
			v.freshness_ms !== null && [bar(age === null ? 1 : age / v.freshness_ms, late ? 'bad' : 'fine'),
				h('span', {class: 'note'}, `promise ${duration(v.freshness_ms)}`)]),
		cell('Newest event', h('span', {class: 'time'}, time(v.event_time_ms))),
		cell('Rows', h('span', {class: 'num'}, count(v.rows)), h('span', {class: 'note'}, rate(v.rows_per_s))),
		oddities(v) ? cell('Noticed', oddities(v)) : h('td', {class: 'nothing'}, NONE));
}

export function features(job, now) {
	const head = ['Features', 'Newest values', 'Newest event', 'Rows', 'Noticed'];
	return h('section', {'aria-labelledby': 'h-views'},
		h('h2', {id: 'h-views'}, 'Features'),
		h('div', {class: 'scroll'}, h('table', {class: 'cards views'},
			h('thead', null, h('tr', null, head.map((t) => h('th', {scope: 'col'}, t)))),
			h('tbody', null, job.views.map((v) => viewRow(v, now))))));
}

function reasons(job) {
	const rows = [...Object.entries(job.dead_by_reason), ...(job.late ? [['late', job.late]] : [])]
		.filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
	const most = Math.max(1, ...rows.map(([, n]) => n));
	return h('ul', {class: 'reasons'}, rows.map(([reason, n]) => h('li', null,
		h('span', null, reason.replaceAll('_', ' ')), h('b', {class: 'num'}, count(n)),
		bar(n / most, reason === 'late' ? 'note' : 'warn'))));
}

export function dead(job, now) {
	return h('section', {'aria-labelledby': 'h-dead'},
		h('h2', {id: 'h-dead'}, 'Dead and late ', h('span', {class: 'note'},
			`${count(job.dead)} dead, ${count(job.late)} late of ${count(job.records)}`)),
		job.dead + job.late === 0 ? h('p', {class: 'fine'}, 'None.') : reasons(job),
		h('ol', {class: 'log'}, job.dead_samples.map((d) => h('li', null,
			h('span', {class: 'when'}, ago(d.time_ms, now)),
			h('code', null, `${d.topic}[${d.partition}]@${d.offset}`),
			h('span', null, h('b', null, d.reason.replaceAll('_', ' ')), d.detail && `: ${d.detail}`)))));
}

export function recent(job, now) {
	return h('section', {'aria-labelledby': 'h-recent'},
		h('h2', {id: 'h-recent'}, 'Recent errors'),
		job.recent.length === 0 && h('p', {class: 'fine'}, 'None.'),
		h('ol', {class: 'log'}, job.recent.map((l) => h('li', {class: l.level},
			h('span', {class: 'when'}, ago(l.time_ms, now)),
			h('code', null, l.component), h('span', null, l.text)))));
}
