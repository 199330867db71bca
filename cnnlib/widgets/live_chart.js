// Draws a line chart from the points that the kernel sends, as SVG whose text has the size of the page's.

const SPACE = 'http://www.w3.org/2000/svg';

function make(tag, attributes, parent, text) {
    const element = tag === 'div' || tag === 'span' ? document.createElement(tag) : document.createElementNS(SPACE, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return parent ? parent.appendChild(element) : element;
}

// Scales and ticks

function scale([low, high], log, start, end) {
    const place = log ? Math.log : value => value;
    const first = place(low), span = place(high) - first || 1;
    return value => value === null || (log && value <= 0) ? NaN : start + (place(value) - first) / span * (end - start);
}

function ticks([low, high], log, room) {
    const values = [];
    if (log) {
        const from = Math.ceil(Math.log10(low) - 1e-9), to = Math.floor(Math.log10(high) + 1e-9);
        const every = Math.max(1, Math.ceil((to - from + 1) / room));
        for (let power = from; power <= to; power += every) values.push(10 ** power);
        return values;
    }
    const rough = (high - low) / Math.max(1, room), power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999);
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) values.push(i * step);
    return values;
}

function words(value) {
    const size = Math.abs(value);
    if (size && (size < 0.001 || size >= 1e5)) return value.toExponential(size < 0.001 ? 0 : 1).replace('.0e', 'e').replace('+', '');
    return String(+value.toPrecision(3));
}

// One panel

class Panel {
    constructor(parent, look, number, first, say) {
        this.look = look; this.number = number; this.first = first; this.say = say;
        this.about = look.panels[number];
        this.element = make('div', {class: 'cnnlib-chart-panel'}, parent);
        this.head = make('div', {class: 'cnnlib-chart-head'}, this.element);
        this.svg = make('svg', {role: 'presentation'}, this.element);  // the whole chart has the name
        this.id = `cnnlib-clip-${Math.random().toString(36).slice(2)}`;
        const clip = make('clipPath', {id: this.id}, make('defs', {}, this.svg));
        this.clip = make('rect', {}, clip);
        this.back = make('g', {}, this.svg);
        this.front = make('g', {'clip-path': `url(#${this.id})`}, this.svg);
        this.over = make('g', {class: 'cnnlib-chart-over'}, this.svg);
        this.lines = this.about.names.map((name, i) => {
            const style = look.series[first + i];
            const line = make('path', {class: 'cnnlib-chart-line', 'stroke-dasharray': style.dashes}, this.front);
            line.style.setProperty('--colour', style.colour);
            return line;
        });
        this.dots = make('g', {}, this.front);
        this.drawHead();
    }

    drawHead() {
        const {look} = this;
        const {names, ylabel} = this.about;
        if (ylabel && !names.some(name => name.includes(ylabel)))
            make('span', {class: 'cnnlib-chart-ylabel'}, this.head, ylabel);
        names.forEach((name, i) => {
            if (!name) return;
            const style = look.series[this.first + i], item = make('span', {class: 'cnnlib-chart-name'}, this.head);
            const sample = make('svg', {width: 26, height: 10, 'aria-hidden': 'true'}, item);
            const line = make('path', {class: 'cnnlib-chart-line', d: 'M1 5H25', 'stroke-dasharray': style.dashes}, sample);
            line.style.setProperty('--colour', style.colour);
            make('span', {}, item, name);
        });
        this.off = make('span', {class: 'cnnlib-chart-off'}, this.head);
    }

    measure(view) {
        const box = this.svg.getBoundingClientRect(), em = parseFloat(getComputedStyle(this.svg).fontSize);
        if (!box.width || !box.height) return false;
        this.em = em; this.width = box.width; this.height = box.height;
        this.left = 3.4 * em; this.right = box.width - 0.9 * em;
        this.top = 0.7 * em; this.bottom = box.height - (this.look.xlabel ? 2.9 : 1.7) * em;
        this.logs = [this.look.xscale === 'log', this.about.yscale === 'log'];
        this.xview = view.x; this.yview = view.y[this.number];
        this.x = scale(view.x, this.logs[0], this.left, this.right);
        this.y = scale(this.yview, this.logs[1], this.bottom, this.top);
        this.off.textContent = view.off[this.number];
        for (const [name, value] of Object.entries({x: this.left, y: this.off.textContent ? this.top : this.top - em / 2,
            width: Math.max(0, this.right - this.left + em / 2), height: Math.max(0, this.bottom - this.top + em / 2)}))
            this.clip.setAttribute(name, value);
        return true;
    }

    drawBack(lines, end) {  // everything but the series
        const {em, x, y, left, right, top, bottom, back, look} = this;
        back.replaceChildren();
        for (const value of ticks(this.yview, this.logs[1], (bottom - top) / (2.6 * em))) {
            make('path', {class: 'cnnlib-chart-grid', d: `M${left} ${y(value)}H${right}`}, back);
            make('text', {x: left - 0.5 * em, y: y(value) + 0.35 * em, 'text-anchor': 'end'}, back, words(value));
        }
        for (const value of ticks(this.xview, this.logs[0], (right - left) / (5 * em))) {
            make('path', {class: 'cnnlib-chart-grid', d: `M${x(value)} ${top}V${bottom}`}, back);
            make('text', {x: x(value), y: bottom + 1.25 * em, 'text-anchor': 'middle'}, back, words(value));
        }
        make('path', {class: 'cnnlib-chart-axis', d: `M${left} ${top}V${bottom}H${right}`}, back);
        make('text', {x: (left + right) / 2, y: bottom + 2.5 * em, 'text-anchor': 'middle'}, back, look.xlabel);
        const inside = make('g', {'clip-path': `url(#${this.id})`}, back);
        for (const [panel, low, high, label] of look.bands) {
            if (panel !== this.number) continue;
            make('rect', {x: left, width: right - left, y: y(high), height: Math.max(1, y(low) - y(high)), fill: look.band,
                'fill-opacity': 0.25}, inside);
            make('text', {x: left + 0.4 * em, y: y(high) - 0.3 * em}, inside, label);
        }
        look.marks.forEach(([at], i) => {
            const next = look.marks[i + 1] ? look.marks[i + 1][0] : Math.max(at, end);
            make('rect', {x: x(at), width: Math.max(0, x(next) - x(at)), y: top, height: bottom - top,
                fill: look.tints[i % look.tints.length], class: 'cnnlib-chart-tint'}, inside);
        });
        const named = [];  // the heights at which names stand
        for (const [panel, xs, ys, colour, label, place] of look.kept) {
            if (panel !== this.number) continue;
            const line = make('path', {class: 'cnnlib-chart-kept', d: this.path(xs, ys)}, inside);
            line.style.setProperty('--colour', colour);
            if (xs.length === 1) make('circle', {cx: x(xs[0]), cy: y(ys[0]), r: 0.25 * em, fill: colour}, inside);
            if (!label || !place) continue;
            const late = x(place[0]) > left + 0.8 * (right - left);
            let height = y(place[1]) - 0.3 * em;
            const aside = height > (top + bottom) / 2 ? -0.2 * em : 0.2 * em;  // towards the middle
            while (named.some(other => Math.abs(other - height) < em)) height += aside;
            named.push(height);
            const name = make('text', {x: x(place[0]) + (late ? -1 : 1) * 0.3 * em, y: height,
                'text-anchor': late ? 'end' : 'start', class: 'cnnlib-chart-keptname'}, inside, label);
            name.style.setProperty('--colour', colour);
        }
        this.drawMarks(lines[this.first] || [[], []]);
    }

    drawMarks([xs, ys]) {
        const {em, x, top, bottom, right, look} = this;
        const lows = look.marks.map(([at]) => {  // where the curve is low: words stand in the other half
            const near = xs.findIndex(value => value >= at);
            return near < 0 || this.y(ys[near]) > (top + bottom) / 2;
        });
        const now = JSON.stringify([em, this.width, this.height, this.xview, look.marks, look.clickable, lows]);
        if (now === this.marked) return;  // while it trains only what changes, or a mark would lose the keyboard
        const held = [...this.over.children].indexOf(document.activeElement);
        this.marked = now;
        this.over.replaceChildren();
        let last = -Infinity;
        look.marks.forEach(([at, label], i) => {
            const click = look.clickable && this.number === 0;
            const group = make('g', {class: 'cnnlib-chart-mark'}, this.over), place = x(at);
            make('path', {class: 'cnnlib-chart-markline', d: `M${place} ${top}V${bottom}`}, group);
            if (this.number > 0) return;
            const side = place > right - 1.6 * em ? -0.35 : 1.05, low = lows[i];
            if (place - last > 1.3 * em) {  // where the mark before leaves room
                const length = 0.6 * em * label.length, over = place + length > right;
                const tall = length > bottom - top;  // higher than the chart: it lies down
                const where = tall ? `translate(${place + (over ? -0.4 : 0.4) * em} ${low ? top + em : bottom - 0.4 * em})`
                    : `translate(${place + side * em} ${low ? top : bottom - 0.4 * em}) rotate(-90)`;
                make('text', {transform: where, 'text-anchor': (tall ? over : low) ? 'end' : 'start'}, group, label);
                last = tall && !over ? place + length : place;
            }
            make('title', {}, group, label + (click ? ': click to go back to it' : ''));
            if (!click) return;
            make('rect', {x: place - 0.5 * em, width: 1.7 * em, y: top, height: bottom - top, class: 'cnnlib-chart-hit'}, group);
            for (const [name, value] of Object.entries({tabindex: 0, role: 'button', 'aria-label': `Go back to: ${label}`}))
                group.setAttribute(name, value);
            group.addEventListener('click', () => this.say({mark: i}));
            group.addEventListener('keydown', event => {
                if (event.key !== 'Enter' && event.key !== ' ') return;
                event.preventDefault(); event.stopPropagation();
                this.say({mark: i});
            });
        });
        this.over.children[held]?.focus();
    }

    path(xs, ys) {
        let d = '', pen = 'M';
        for (let i = 0; i < xs.length; i++) {
            const a = this.x(xs[i]), b = this.y(ys[i]);
            if (!isFinite(a) || !isFinite(b)) { pen = 'M'; continue; }
            d += `${pen}${a.toFixed(1)} ${Math.max(-9e3, Math.min(9e3, b)).toFixed(1)}`;
            pen = 'L';
        }
        return d;
    }

    drawLines(lines) {
        this.dots.replaceChildren();
        this.lines.forEach((line, i) => {
            const [xs, ys] = lines[this.first + i] || [[], []], style = this.look.series[this.first + i];
            line.setAttribute('d', this.path(xs, ys));
            if (xs.length > 1 && (!style.dots || xs.length > 40)) return;
            for (let j = 0; j < xs.length; j++) {
                if (!isFinite(this.x(xs[j])) || !isFinite(this.y(ys[j]))) continue;
                const dot = make('circle', {cx: this.x(xs[j]), cy: this.y(ys[j]), r: this.em / 3.2, class: 'cnnlib-chart-dot'}, this.dots);
                dot.style.setProperty('--colour', style.colour);
            }
        });
    }

    nearest(lines, where) {  // what the series are, closest to a place in pixels
        const found = [];
        this.about.names.forEach((name, i) => {
            const [xs, ys] = lines[this.first + i] || [[], []];
            let best = -1;
            for (let j = 0; j < xs.length; j++)
                if (best < 0 || Math.abs(this.x(xs[j]) - where) < Math.abs(this.x(xs[best]) - where)) best = j;
            if (best >= 0 && ys[best] !== null) found.push([xs[best], `${name || 'value'} ${words(ys[best])}`]);
        });
        return found;
    }
}

// The chart: panels side by side, a note, and the values under the pointer

function initialize({model}) {
    model.on('msg:custom', message => {
        for (const [number, start, xs, ys] of message.lines || []) {
            const line = model.get('lines')[number];
            if (!line) continue;
            line[0].splice(start, Infinity, ...xs);
            line[1].splice(start, Infinity, ...ys);
        }
    });
}

function render({model, el}) {
    const root = make('div', {class: 'cnnlib-chart-root', role: 'img'}, el);
    const row = make('div', {class: 'cnnlib-chart-row'}, root), tip = make('div', {class: 'cnnlib-chart-tip'}, root);
    const note = make('div', {class: 'cnnlib-chart-note'}, root);
    let panels = [], shape = '', due = 0, stale = true, key = '';

    const build = () => {
        const look = model.get('look');
        const next = JSON.stringify([look.panels, look.series, look.xscale]);
        root.setAttribute('role', look.clickable && look.marks.length ? 'group' : 'img');
        root.setAttribute('aria-label', look.text);
        note.textContent = look.note || '';
        if (next !== shape) {
            shape = next;
            row.replaceChildren();
            let first = 0;
            panels = look.panels.map((panel, i) => {
                const made = new Panel(row, look, i, first, message => model.send(message));
                first += panel.names.length;
                sizes.observe(made.svg);
                return made;
            });
        } else for (const panel of panels) panel.look = look;
        stale = true;
    };
    const draw = () => {
        due = 0;
        const lines = model.get('lines'), view = model.get('view');
        const end = Math.max(view.x[0], ...lines.map(([xs]) => xs.length ? xs[xs.length - 1] : -Infinity));
        for (const panel of panels) {
            const now = JSON.stringify([view, panel.svg.clientWidth, panel.svg.clientHeight, panel.look.marks.length ? end : 0]);
            if (!panel.measure(view)) continue;
            if (stale || panel.key !== now) panel.drawBack(lines, end);
            panel.key = now;
            panel.drawLines(lines);
        }
        stale = false;
    };
    const soon = () => { due ||= requestAnimationFrame(draw); };
    const sizes = new ResizeObserver(() => { stale = true; soon(); });
    const rebuilt = () => { build(); soon(); };
    const point = event => {
        const panel = panels.find(one => one.svg.contains(event.target));
        const found = panel ? panel.nearest(model.get('lines'), event.clientX - panel.svg.getBoundingClientRect().left) : [];
        tip.style.display = found.length ? '' : 'none';
        if (!found.length) return;
        tip.textContent = [`${model.get('look').xlabel} ${words(found[0][0])}`, ...found.map(([, text]) => text)].join(' · ');
        const box = root.getBoundingClientRect(), at = event.clientX - box.left;
        tip.style.left = `${Math.min(at + 12, Math.max(0, box.width - tip.offsetWidth - 4))}px`;
        tip.style.top = `${event.clientY - box.top + 14}px`;
    };
    root.addEventListener('pointermove', point);
    root.addEventListener('pointerleave', () => { tip.style.display = 'none'; });
    tip.style.display = 'none';
    model.on('change:look', rebuilt);
    model.on('change:view', soon);
    model.on('change:lines', soon);
    model.on('msg:custom', soon);
    rebuilt();
    return () => {
        sizes.disconnect();
        cancelAnimationFrame(due);
        for (const [name, act] of [['change:look', rebuilt], ['change:view', soon], ['change:lines', soon], ['msg:custom', soon]])
            model.off(name, act);
    };
}
export default {initialize, render};
