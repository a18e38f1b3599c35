// SPDX-License-Identifier: Apache-2.0
//
// What a job's monitors have found, from /jobs/{job}/drift: alerts that fire, and per segment and
// column the newest window's histogram over the reference's, and each test over time with its
// threshold. The worst come first.

import {h} from './dom.js';
import {count, cut, time} from './format.js';

const LOOK_MS = 5000, FIRST = 6, WIDE = 300, HIGH = 84, LINE_HIGH = 46;

let shown = null, asked = 0;

/** Asks again when it is time; calls then() when there is news. */
export function look(job, then) {
	if (!job?.monitors || (performance.now() - asked < LOOK_MS && shown?.job === job.name)) return;
	asked = performance.now();
	fetch(`/jobs/${job.name}/drift`).then((r) => (r.ok ? r.json() : null)).then((found) => {
		if (!found) return;
		shown = found;
		then();
	}, () => { /* the page says how old it is */ });
}

function segment(s) {
	return Object.entries(s).map(([k, v]) => `${k} ${v ?? 'null'}`).join(', ');
}

function newest(s) {
	return s.windows[s.windows.length - 1];
}

function breaches(s) {
	return newest(s)?.breached.filter(Boolean).length ?? 0;
}

/** The reference as an outline, the window as bars; what lies outside the reference stands out. */
function histogram(s) {
	const bins = s.bins.filter(([label, r, c], i) =>
		(i && i < s.bins.length - 1) || r || c || !/^[<>(]/.test(label));
	if (!bins.length) return h('p', {class: 'note'}, 'No values in this window.');
	const top = Math.max(...bins.map(([, r, c]) => Math.max(r, c)), 1e-9);
	const step = WIDE / bins.length;
	const high = (share) => (share / top) * (HIGH - 4);
	const outline = bins.map(([, r], i) => `${(i * step).toFixed(1)},${(HIGH - high(r)).toFixed(1)} ` +
		`${((i + 1) * step).toFixed(1)},${(HIGH - high(r)).toFixed(1)}`).join(' ');
	const text = bins.map(([label, r, c]) => `${label}: ${(c * 100).toFixed(1)} %, reference ${(r * 100).toFixed(1)} %`);
	return h('figure', null,
		h('svg', {class: 'histogram', viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: 'none', role: 'img',
			'aria-label': `${s.column} beside its reference: ${cut(text.join('; '), 600)}`},
		bins.map(([label, r, c], i) => h('rect', {class: /^[<>(]/.test(label) && !r ? 'outside' : 'current',
			x: (i * step + 0.5).toFixed(1), width: Math.max(step - 1, 0.5).toFixed(1),
			y: (HIGH - high(c)).toFixed(1), height: high(c).toFixed(1)}, h('title', null, text[i]))),
		h('polyline', {class: 'reference', points: `0,${HIGH} ${outline} ${WIDE},${HIGH}`})),
		h('figcaption', {class: 'note ends'}, h('span', null, cut(bins[0][0], 18)), h('span', {class: 'legend'},
			h('i', {class: 'current'}), ' this window ', h('i', {class: 'reference'}), ' reference'),
		h('span', null, cut(bins[bins.length - 1][0], 18))));
}

function number(x) {
	return x === null ? '–' : Math.abs(x) >= 1000 || (x && Math.abs(x) < 0.001) ? x.toExponential(1) : String(+x.toFixed(3));
}

/** A test over the windows kept, its threshold dashed. */
function curve(s, k) {
	const {test, threshold} = s.tests[k];
	const values = s.windows.map((w) => w.values[k]);
	const known = values.filter((v) => v !== null);
	const top = Math.max(threshold, ...known, 1e-9) * 1.1;
	const x = (i) => (values.length < 2 ? WIDE / 2 : (i / (values.length - 1)) * (WIDE - 6) + 3);
	const y = (v) => LINE_HIGH - 2 - (Math.max(v, 0) / top) * (LINE_HIGH - 6);
	const runs = [[]];
	values.forEach((v, i) => (v === null ? runs.push([]) : runs[runs.length - 1].push(`${x(i).toFixed(1)},${y(v).toFixed(1)}`)));
	const last = newest(s);
	return h('div', {class: 'curve' + (last.breached[k] ? ' bad' : '')},
		h('span', {class: 'test'}, test), h('b', {class: 'num'}, number(last.values[k])),
		h('span', {class: 'note num'}, `threshold ${number(threshold)}`),
		h('svg', {viewBox: `0 0 ${WIDE} ${LINE_HIGH}`, preserveAspectRatio: 'none', role: 'img',
			'aria-label': `${test} over ${values.length} windows, now ${number(last.values[k])}`},
		h('line', {class: 'threshold', x1: 0, x2: WIDE, y1: y(threshold).toFixed(1), y2: y(threshold).toFixed(1)}),
		runs.filter((r) => r.length).map((r) => h('polyline', {points: r.join(' ')})),
		s.windows.map((w, i) => w.breached[k] && h('rect', {class: 'breach', x: (x(i) - 2).toFixed(1),
			y: (y(w.values[k]) - 2).toFixed(1), width: 4, height: 4},
		h('title', null, `${time(w.window_start)}: ${number(w.values[k])}`)))));
}

/** What the rows are that have no value to go by. */
function missing(s) {
	if (s.column === '_error') return 'without a label';
	return s.tests.some(({test}) => test.startsWith('skew')) ? 'not compared' : 'null';
}

function card(s, many) {
	const last = newest(s), n = breaches(s);
	return h('article', {class: 'drift' + (n ? ' bad' : ''), 'data-key': s.monitor + JSON.stringify(s.segment) + s.column},
		h('h3', null, h('b', null, s.column === '_error' ? 'scores and labels' : s.column),
			many && ' ' + s.monitor, ' ', segment(s.segment)),
		h('p', {class: 'note'}, `${time(last.window_start).slice(0, 16)} to ${time(last.window_end).slice(11, 16)}: ` +
			`${count(last.rows)} rows` + (last.nulls ? `, ${count(last.nulls)} ${missing(s)}` : '') +
			(n ? `; ${n} of ${s.tests.length} tests past the threshold` : '')),
		s.column === '_error' ? null : histogram(s), s.tests.map((_, k) => curve(s, k)));
}

export function drift(job, ui) {
	if (!job.monitors) return null;
	const found = shown?.job === job.name ? shown : {alerts: [], series: []};
	const series = found.series.filter((s) => s.windows.length && s.tests.length)
		.sort((a, b) => breaches(b) - breaches(a) || a.column.localeCompare(b.column));
	const many = new Set(series.map((s) => s.monitor)).size > 1;
	const firing = found.alerts.filter((a) => a.state === 'firing');
	return h('section', {class: 'monitors'}, h('h2', null, 'Monitors'),
		firing.slice(0, 8).map((a) => h('p', {class: 'alarm warn'}, h('b', null, `${a.test} of ${a.column}`),
			` is ${number(a.value)}, its threshold ${number(a.threshold)}: ${a.monitor} ${segment(a.segment)}, ` +
			`since ${time(a.since).slice(0, 16)}`)),
		firing.length > 8 && h('p', {class: 'note'}, `and ${firing.length - 8} more alerts`),
		!series.length && h('p', {class: 'note'}, 'No window has closed yet.'),
		h('div', {class: 'drifts'}, series.slice(0, ui.drifts ? series.length : FIRST).map((s) => card(s, many))),
		series.length > FIRST && h('p', {class: 'more'}, h('button', {'data-drifts': true},
			ui.drifts ? 'show the worst' : `show all ${series.length}`)));
}
