// SPDX-License-Identifier: Apache-2.0
//
// Numbers for people. null is "not known" everywhere and shows as a dash.

export const NONE = '–';

export function count(n) {
	return n === null || n === undefined ? NONE : Math.round(n).toLocaleString('en-US');
}

/** 950, 3.1k, 12k, 4.2M */
export function short(n) {
	if (n === null || n === undefined) return NONE;
	for (const [unit, sign] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']])
		if (n >= unit * 0.9995) return (n / unit).toFixed(n < unit * 9.95 ? 1 : 0) + sign;
	return n > 0 && n < 9.95 ? String(Number(n.toFixed(1))) : String(Math.round(n));
}

export function rate(n) {
	return n === null || n === undefined ? NONE : short(n) + '/s';
}

export function bytes(n) {
	if (n === null || n === undefined) return NONE;
	for (const [unit, name] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']])
		if (n >= unit * 0.9995) return (n / unit).toFixed(n < unit * 9.95 ? 1 : 0) + ' ' + name;
	return n + ' B';
}

/** 850 ms, 4.2 s, 40 s, 2 h 3 min, 5 d */
export function duration(ms) {
	if (ms === null || ms === undefined) return NONE;
	const sign = ms < 0 ? '-' : '';
	const n = Math.abs(ms);
	const units = [[86400e3, 'd', 3600e3, 'h'], [3600e3, 'h', 60e3, 'min'], [60e3, 'min', 1e3, 's']];
	for (const [unit, name, small, smallName] of units) {
		if (n < unit) continue;
		const rest = Math.floor((n % unit) / small);
		return sign + Math.floor(n / unit) + ' ' + name +
			(rest && n < 10 * unit ? ` ${rest} ${smallName}` : '');
	}
	return sign + (n < 1000 ? Math.round(n) + ' ms' : (n / 1000).toFixed(n < 9950 ? 1 : 0) + ' s');
}

export function ago(ms, now) {
	return ms === null || ms === undefined ? NONE : duration(Math.max(0, now - ms)) + ' ago';
}

/** 2013-06-12 01:20:00, UTC */
export function time(ms) {
	if (ms === null || ms === undefined) return NONE;
	const d = new Date(ms);
	return Number.isNaN(d.getTime()) ? NONE : d.toISOString().replace('T', ' ').slice(0, 19);
}

export function cut(text, n) {
	return text.length > n ? text.slice(0, n - 1) + '…' : text;
}
