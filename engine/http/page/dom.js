// SPDX-License-Identifier: Apache-2.0
//
// Building and updating the page. h() makes elements (text is always text, never markup); morph()
// makes the shown tree equal to a new one while keeping focus, scrolling and opened <details>.

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'g', 'path', 'rect', 'text', 'circle', 'line', 'title', 'polyline']);

function add(el, child) {
	if (child === null || child === undefined || child === false) return;
	if (Array.isArray(child)) child.forEach((c) => add(el, c));
	else el.append(child instanceof Node ? child : document.createTextNode(String(child)));
}

/** h('p', {class: 'x'}, 'text', [children]) */
export function h(tag, attributes, ...children) {
	const el = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
	for (const [name, value] of Object.entries(attributes ?? {})) {
		if (value === null || value === undefined || value === false) continue;
		el.setAttribute(name, value === true ? '' : String(value));
	}
	children.forEach((c) => add(el, c));
	return el;
}

function morphAttributes(now, next) {
	for (const a of [...now.attributes]) {
		const own = a.name === 'open' && now.nodeName === 'DETAILS';
		if (!own && !next.hasAttribute(a.name)) now.removeAttribute(a.name);
	}
	for (const a of next.attributes)
		if (now.getAttribute(a.name) !== a.value) now.setAttribute(a.name, a.value);
}

function alike(now, next) {
	return now.nodeType === next.nodeType && now.nodeName === next.nodeName &&
		now.dataset?.key === next.dataset?.key;
}

/** Makes the children of `now` equal to those of `next`. */
export function morph(now, next) {
	const wanted = [...next.childNodes];
	for (let i = 0; i < wanted.length; i++) {
		const have = now.childNodes[i];
		if (!have) {
			now.append(wanted[i]);
		} else if (!alike(have, wanted[i])) {
			have.replaceWith(wanted[i]);
		} else if (have.nodeType === Node.TEXT_NODE) {
			if (have.data !== wanted[i].data) have.data = wanted[i].data;
		} else {
			morphAttributes(have, wanted[i]);
			morph(have, wanted[i]);
		}
	}
	while (now.childNodes.length > wanted.length) now.lastChild.remove();
}

/** Shows `children` inside the element with this id. */
export function show(id, ...children) {
	morph(document.getElementById(id), h('div', null, ...children));
}
