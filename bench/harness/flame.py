# SPDX-License-Identifier: Apache-2.0
"""What `perf script -F comm,tid,ip,sym` prints, as a flame graph: one SVG, made of nothing else.

    perf script -F comm,tid,ip,sym | flame.py [TITLE] > flame.svg

A box is a function, as wide as its share of the samples; below it who called it, at the bottom the thread. Pointing at
a box shows its share; a click on it makes it as wide as the picture, a click on the bottom shows all again.
"""
import html
import re
import sys
import zlib

WIDTH, ROW, FONT = 1400, 17, 11
LEAST = 0.3     # of a pixel: narrower boxes are left out


class Box:
    def __init__(self, name):
        self.name, self.samples, self.calls = name, 0, {}

    def add(self, stack):
        self.samples += 1
        for name in stack:
            self = self.calls.setdefault(name, Box(name))
            self.samples += 1


def fold(lines):
    """All samples in one tree: the thread's name, then from the outermost call inwards."""
    top, thread, stack = Box("all"), None, []
    for line in lines:
        if not line.strip():
            if thread:
                top.add([thread, *reversed(stack)])
            thread, stack = None, []
        elif not line[0].isspace():
            thread = re.split(r"\s+\d+(/\d+)?\s", line, maxsplit=1)[0]
        elif thread:
            name = line.strip().split(" ", 1)[-1]
            if name != "[unknown]":
                stack.append(name)
    if thread:
        top.add([thread, *reversed(stack)])
    return top


def colour(name):
    seed = zlib.crc32(name.encode())
    return f"rgb({205 + seed % 50},{80 + seed // 50 % 130},{seed // 6500 % 60})"


def boxes(box, x, depth, scale):
    """(box, left edge, depth) of everything wide enough to be seen."""
    todo = [(box, x, depth)]
    while todo:
        box, x, depth = todo.pop()
        if box.samples * scale < LEAST:
            continue
        yield box, x, depth
        for name in sorted(box.calls):
            todo.append((box.calls[name], x, depth + 1))
            x += box.calls[name].samples * scale


SCRIPT = """
const all = [...document.querySelectorAll('g')], W = %d;
for (const g of all) { g.b = g.dataset.b.split(' ').map(Number); g.onclick = () => zoom(g.b); }
function zoom([x, w, d]) {
  for (const g of all) {
    const [gx, gw, gd] = g.b, over = gd < d && gx <= x + 0.01 && gx + gw >= x + w - 0.01;
    const inside = gd >= d && gx >= x - 0.01 && gx + gw <= x + w + 0.01;
    g.style.display = over || inside ? '' : 'none';
    put(g, over ? 0 : (gx - x) * W / w, over ? W : gw * W / w);
  }
}
function put(g, x, w) {
  const r = g.querySelector('rect'), t = g.querySelector('text'), n = Math.floor((w - 6) / 6.3);
  r.setAttribute('x', x); r.setAttribute('width', w); t.setAttribute('x', x + 3);
  const name = g.dataset.n;
  t.textContent = n < 3 ? '' : name.length > n ? name.slice(0, n - 2) + '..' : name;
}
zoom([0, W, 0]);
""" % WIDTH


def svg(top, title):
    scale = WIDTH / max(top.samples, 1)
    found = list(boxes(top, 0.0, 0, scale))
    height = (max(depth for _, _, depth in found) + 3) * ROW
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" '
           f'font-size="{FONT}">')
    yield '<style>g:hover rect { stroke: black } text { pointer-events: none }</style>'
    yield f'<text x="{WIDTH / 2}" y="{ROW}" text-anchor="middle">{html.escape(title)}</text>'
    for box, x, depth in found:
        name, wide, y = html.escape(box.name), box.samples * scale, height - (depth + 1) * ROW
        share = f"{100 * box.samples / top.samples:.2f} %, {box.samples} samples"
        yield (f'<g data-n="{name}" data-b="{x:.2f} {wide:.2f} {depth}"><title>{name}: {share}</title>'
               f'<rect x="{x:.2f}" y="{y}" width="{wide:.2f}" height="{ROW - 1}" fill="{colour(box.name)}"/>'
               f'<text y="{y + 12}"/></g>')
    yield f"<script>//<![CDATA[{SCRIPT}//]]></script></svg>"


def main():
    top = fold(sys.stdin)
    if not top.samples:
        sys.exit("flame.py: no samples")
    for line in svg(top, sys.argv[1] if len(sys.argv) > 1 else f"{top.samples} samples"):
        print(line)


if __name__ == "__main__":
    main()
