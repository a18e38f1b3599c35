// SPDX-License-Identifier: Apache-2.0
//
// The status page: follows /events (or asks /jobs when no more followers are let in), keeps a
// minute of history for the small curves, and draws. The job shown is the address's fragment.

import {h, show} from './dom.js';
import {drift, look} from './drift.js';
import {bytes, duration, short} from './format.js';
import {topology} from './graph.js';
import {answers, dead, features, partitions, recent, tiles} from './parts.js';

const HISTORY = 60, POLL_MS = 3000, QUIET_MS = 5000, JOB_NAME = /^[a-z][a-z0-9_-]*$/;
const RANK = {bad: 0, warn: 1, note: 2};

const ui = {sort: 'lag', down: false, all: false, drifts: false};
let data = null, source = null, poller = 0, received = 0, chosen = null, announced = '';
const histories = new Map();

function worst(job) {
	return job.findings[0]?.level ?? 'fine';
}

function wanted() {
	const name = location.hash.slice(1);
	return JOB_NAME.test(name) && name !== 'main' ? name : chosen;
}

/** The node's clock, moving on between snapshots. */
function now() {
	return data.node.now_ms + (performance.now() - received);
}

function remember(jobs) {
	for (const job of jobs) {
		const past = histories.get(job.name) ?? {records: [], rows: [], lag: []};
		past.records.push(job.records_per_s);
		past.rows.push(job.rows_per_s);
		past.lag.push(job.lag_records ?? 0);
		for (const list of Object.values(past)) if (list.length > HISTORY) list.shift();
		histories.set(job.name, past);
	}
	for (const name of histories.keys())
		if (!jobs.some((j) => j.name === name)) histories.delete(name);
}

function take(snapshot) {
	data = snapshot;
	received = performance.now();
	remember(data.jobs);
	if (!wanted() && data.jobs.length) {
		const byTrouble = [...data.jobs].sort((a, b) => (RANK[worst(a)] ?? 3) - (RANK[worst(b)] ?? 3));
		chosen = byTrouble[0].name;
		connect();
	}
	draw();
	look(data.job, draw);
}

async function poll() {
	try {
		const [all, job] = await Promise.all([fetch('/jobs'), wanted() ? fetch('/jobs/' + wanted()) : null]);
		if (!all.ok) return;
		const {node, jobs} = await all.json();
		take({node, jobs, job: job?.ok ? await job.json() : null, recent: []});
	} catch { /* the page says how old it is */ }
}

function connect() {
	source?.close();
	clearInterval(poller);
	source = new EventSource('/events' + (wanted() ? '?job=' + wanted() : ''));
	source.addEventListener('snapshot', (e) => take(JSON.parse(e.data)));
	source.addEventListener('error', () => {
		if (source.readyState === EventSource.CLOSED) poller = setInterval(poll, POLL_MS);
		draw();
	});
}

function health(name, up, error) {
	return h('span', {class: 'health', title: error}, h('span', {class: 'dot ' + (up ? 'running' : 'failed')}),
		name, up ? '' : ' down');
}

function head(n) {
	const quiet = performance.now() - received > QUIET_MS;
	const share = n.memory_budget_bytes ? n.memory_used_bytes / n.memory_budget_bytes : 0;
	return [h('strong', {class: 'brand'}, 'weir'),
		h('span', {class: 'facts'}, `node ${n.id} · ${n.version} · up ${duration(now() - n.started_ms)}`),
		h('span', {class: 'facts'}, `${bytes(n.memory_used_bytes)} of ${bytes(n.memory_budget_bytes)}` +
			(share > 1 ? ', over budget' : '')),
		health('Kafka', n.broker_up, n.broker_error), health('online store', n.online_up, n.online_error),
		!n.ready && h('span', {class: 'badge warn', title: n.reasons.join('\n')}, 'not ready: ' + (n.reasons[0] ?? '')),
		h('span', {class: 'peers'}, n.peers.map((p) => h('a', {href: 'http://' + p.http + '/'}, p.id))),
		h('span', {class: 'live ' + (quiet ? 'bad' : 'fine')},
			quiet ? `no news for ${duration(performance.now() - received)}` : 'live')];
}

function tab(job, current) {
	const n = job.findings.filter((f) => f.level !== 'note').length;
	return h('a', {href: '#' + job.name, 'aria-current': job.name === current ? 'page' : null,
		class: 'tab ' + worst(job)},
	h('span', {class: 'dot ' + job.state}), h('b', null, job.name),
	h('span', {class: 'note'}, job.state === 'running' ? short(job.records_per_s) + '/s' : job.state),
	n > 0 && h('span', {class: 'badge ' + worst(job), title: job.findings.map((f) => f.text).join('\n')}, n,
		h('span', {class: 'hidden'}, n === 1 ? ' problem' : ' problems')));
}

function jobView(job) {
	const t = now();
	return [h('div', {class: 'title'}, h('h1', null, job.name),
		h('span', {class: 'badge ' + job.state}, job.state),
		h('span', {class: 'note'}, job.source && `defined in ${job.source}`)),
	tiles(job, histories.get(job.name) ?? {}, t), answers(job), drift(job, ui), topology(job), partitions(job, ui, t),
	features(job, t), h('div', {class: 'two'}, dead(job, t), recent(job, t))];
}

function body() {
	if (data.job) return jobView(data.job);
	if (!data.jobs.length)
		return [h('p', {class: 'empty'}, 'No job is deployed. ', h('code', null, 'weir deploy job.yaml'), ' adds one.')];
	return [h('p', {class: 'empty'}, data.jobs.some((j) => j.name === wanted())
		? 'One moment…' : `No job named ${wanted()} is here.`)];
}

function announce(job) {
	const text = job?.findings.find((f) => f.level === 'bad')?.kind ?? '';
	if (text === announced) return;
	announced = text;
	show('announce', text ? `${job.name}: ${job.findings[0].text}` : 'No serious problem now.');
}

function draw() {
	if (!data) return;
	const bad = data.jobs.filter((j) => worst(j) === 'bad').length;
	document.title = (bad ? `(${bad}) ` : '') + (wanted() ?? 'weir') + ' · weir';
	show('head', ...head(data.node));
	show('jobs', ...data.jobs.map((j) => tab(j, wanted())));
	show('main', ...body());
	announce(data.job);
}

document.addEventListener('click', (e) => {
	const button = e.target.closest?.('button');
	if (button?.dataset.sort) {
		ui.down = ui.sort === button.dataset.sort && !ui.down;
		ui.sort = button.dataset.sort;
	} else if (button?.dataset.all) {
		ui.all = true;
	} else if (button?.dataset.drifts) {
		ui.drifts = !ui.drifts;
	} else {
		return;
	}
	draw();
});
addEventListener('hashchange', () => {
	if (location.hash === '#main') return;
	ui.all = ui.drifts = false;
	connect();
});
document.addEventListener('visibilitychange', () => {
	if (document.hidden) source?.close();
	else connect();
});
setInterval(() => {
	if (performance.now() - received > 1500) draw();
}, 1000);
connect();
