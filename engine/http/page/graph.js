// SPDX-License-Identifier: Apache-2.0
//
// The topology: as a drawing in columns (wide screens) and as a tree (phones, screen readers). The
// drawing's columns are the kinds of step; within a column a step goes near the middle of what it
// comes from, which keeps lines from crossing well enough at this size, and a line that passes a
// column has a lane of its own there.

import {h} from './dom.js';
import {count, cut, rate, short} from './format.js';

const KINDS = ['source', 'repartition', 'view', 'sink'];
const TITLES = {source: 'Sources', repartition: 'Repartitions', view: 'Views', sink: 'Sinks'};
const W = 1200, NODE_W = 222, NODE_H = 46, GAP = 12, TOP = 26, LANE_H = 4;

/** Columns of places: a step, or the lane of a line that passes a column it does not stop in. */
function columns(job) {
	const kinds = KINDS.filter((k) => job.nodes.some((n) => n.kind === k));
	const column = job.nodes.map((n) => kinds.indexOf(n.kind));
	const cols = kinds.map((kind) => ({kind, places: []}));
	job.nodes.forEach((n, i) => cols[column[i]].places.push({node: i, height: NODE_H, from: []}));
	const of = job.nodes.map((n, i) => cols[column[i]].places.find((p) => p.node === i));
	const lines = [];
	for (const e of job.edges) {
		const line = {edge: e, places: [of[e.from]]};
		for (let c = column[e.from] + 1; c < column[e.to]; c++) {
			const lane = {node: null, height: LANE_H, from: [line.places.at(-1)]};
			cols[c].places.push(lane);
			line.places.push(lane);
		}
		of[e.to].from.push(line.places.at(-1));
		line.places.push(of[e.to]);
		lines.push(line);
	}
	return {cols, lines, of};
}

/** Gives every place its left and top; returns the height. */
function layout(cols) {
	const tall = (c) => c.places.reduce((sum, p) => sum + p.height + GAP, 0);
	const height = TOP + Math.max(...cols.map(tall));
	cols.forEach((c, x) => {
		const mean = (p) => p.from.length
			? p.from.reduce((sum, f) => sum + f.top + f.height / 2, 0) / p.from.length : 0;
		c.left = cols.length > 1 ? (x * (W - NODE_W - 2)) / (cols.length - 1) + 1 : 1;
		c.places = c.places.map((p, i) => [mean(p), i, p]).sort((a, b) => a[0] - b[0] || a[1] - b[1])
			.map((row) => row[2]);
		const gap = (height - TOP - tall(c)) / c.places.length + GAP;
		let top = TOP + gap / 2;
		for (const p of c.places) {
			p.left = c.left;
			p.top = top;
			top += p.height + gap;
		}
	});
	return height;
}

function edge(job, {edge: e, places}) {
	const mid = (p) => (p.top + p.height / 2).toFixed(1);
	let d = `M${places[0].left + NODE_W} ${mid(places[0])}`;
	for (let i = 1; i < places.length; i++) {
		const x0 = places[i - 1].left + NODE_W, x1 = places[i].left, bend = (x0 + x1) / 2;
		d += `C${bend} ${mid(places[i - 1])} ${bend} ${mid(places[i])} ${x1} ${mid(places[i])}`;
		if (i < places.length - 1) d += `H${x1 + NODE_W}`;
	}
	const width = e.records_per_s > 0 ? 1 + Math.min(3, 0.7 * Math.log10(1 + e.records_per_s)) : 1;
	return h('path', {class: e.records_per_s > 0 ? 'edge' : 'edge still', 'stroke-width': width.toFixed(1), d},
		h('title', null, `${job.nodes[e.from].name} to ${job.nodes[e.to].name}: ${rate(e.records_per_s)}`));
}

function node(n, {left, top}) {
	const behind = n.lag_records > 0;
	const second = n.problem ?? n.detail ?? '';
	const right = behind ? `${short(n.lag_records)} behind` : '';
	return h('g', {class: 'node ' + n.kind + (n.problem ? ' trouble' : ''),
			transform: `translate(${left.toFixed(1)} ${top.toFixed(1)})`},
		h('rect', {width: NODE_W, height: NODE_H, rx: 7}),
		h('text', {x: 11, y: 19, class: 'name'}, cut(n.name, 20)),
		h('text', {x: NODE_W - 10, y: 19, class: 'rate'}, rate(n.records_per_s)),
		h('text', {x: 11, y: 36, class: 'detail'}, cut(second, right ? 21 : 35)),
		h('text', {x: NODE_W - 10, y: 36, class: 'behind'}, right),
		h('title', null, [n.name, n.detail, n.problem].filter(Boolean).join('\n')));
}

function drawing(job) {
	const {cols, lines, of} = columns(job);
	const height = layout(cols);
	return h('svg', {class: 'graph', viewBox: `0 0 ${W} ${height.toFixed(0)}`, 'aria-hidden': 'true'},
		cols.map((c) => h('text', {x: c.left, y: 13, class: 'column'}, TITLES[c.kind])),
		lines.map((l) => edge(job, l)),
		job.nodes.map((n, i) => node(n, of[i])));
}

function branch(job, i, depth) {
	const n = job.nodes[i];
	const to = job.edges.filter((e) => e.from === i);
	const sinks = to.filter((e) => job.nodes[e.to].kind === 'sink');
	const rest = to.filter((e) => job.nodes[e.to].kind !== 'sink');
	return h('li', null,
		h('div', {class: 'step ' + n.kind + (n.problem ? ' trouble' : '')},
			h('span', {class: 'kind'}, n.kind), ' ', h('b', null, n.name), ' ',
			h('span', {class: 'rate'}, rate(n.records_per_s)),
			n.lag_records > 0 && h('span', {class: 'behind'}, ` ${count(n.lag_records)} behind`),
			n.problem && h('div', {class: 'problem'}, n.problem),
			sinks.length > 0 && h('div', {class: 'sinks'}, 'to ',
				sinks.map((e) => `${job.nodes[e.to].name} ${rate(e.records_per_s)}`).join(', '))),
		rest.length > 0 && depth < KINDS.length &&
			h('ul', null, rest.map((e) => branch(job, e.to, depth + 1))));
}

function tree(job) {
	const roots = job.nodes.map((n, i) => i).filter((i) => job.nodes[i].kind === 'source');
	return h('ul', {class: 'tree'}, roots.map((i) => branch(job, i, 0)));
}

export function topology(job) {
	return h('section', {'aria-labelledby': 'h-topology'},
		h('h2', {id: 'h-topology'}, 'Topology'),
		job.nodes.length ? [drawing(job), tree(job)] : h('p', {class: 'empty'}, 'Not planned yet.'));
}

/** A line of the last values; newest on the right. */
export function sparkline(values) {
	const top = Math.max(1, ...values), step = 100 / Math.max(15, values.length - 1);
	const from = 100 - (values.length - 1) * step;
	const points = values.map((v, i) => `${(from + i * step).toFixed(1)},${(27 - (24 * v) / top).toFixed(1)}`);
	return h('svg', {class: 'spark', viewBox: '0 0 100 28', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
		values.length > 1 && h('polyline', {points: points.join(' ')}));
}
