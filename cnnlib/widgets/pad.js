// A pad to draw on. The page keeps the drawing; the kernel gets it at the end of each stroke, and while one goes on.

const KEYS = 'Arrow keys move, Space paints, Delete erases, C clears. Shift and an arrow key paint a line.';
const MOVES = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
const PAUSE = 100;  // milliseconds between two messages of one stroke

function render({model, el}) {
    const side = model.get('side'), fine = Math.max(1, side / 28);
    el.innerHTML = `<div class="cnnlib-pad">
        <div class="cnnlib-pad-paper"><canvas width="${side}" height="${side}" tabindex="0" role="application"
            aria-label="Drawing pad, ${side} by ${side} cells. ${KEYS}"></canvas><div hidden></div></div>
        <div class="cnnlib-pad-tools">
            <label><input type="checkbox" name="erase"> Erase</label>
            <label><input type="checkbox" name="broad"> Broad brush</label>
            <button type="button" class="jupyter-button">Clear</button>
            <p>Mouse or finger: draw; the right button erases.<br>${KEYS}</p>
            <div role="status"></div>
        </div></div>`;
    const [canvas, cursor, button, status] = ['canvas', 'canvas + div', 'button', '[role=status]'].map(
        selector => el.querySelector(selector));
    const [erase, broad] = el.querySelectorAll('input'), pen = canvas.getContext('2d');
    const paper = canvas.parentElement, cell = Math.max(9, Math.floor(252 / side));
    paper.style.width = `${side * cell}px`;
    cursor.style.width = cursor.style.height = `${100 / side}%`;

    const read = () => {
        const ink = model.get('ink');
        return Array.isArray(ink) && ink.length === side * side ? Uint8ClampedArray.from(ink)
            : new Uint8ClampedArray(side * side);
    };
    let ink = read(), sent = null, timer = 0, last = 0;
    let pointer = null, from = null, erasing = false;  // of the stroke that goes on
    let row = side >> 1, column = side >> 1;  // of the cursor

    const show = () => {
        const picture = pen.createImageData(side, side);
        ink.forEach((value, i) => picture.data.set([255 - value, 255 - value, 255 - value, 255], 4 * i));
        pen.putImageData(picture, 0, 0);
    };
    const send = () => {
        clearTimeout(timer);
        timer = 0;
        last = performance.now();
        sent = Array.from(ink);
        model.set('ink', sent);
        model.save_changes();
    };
    const changed = () => {
        show();
        timer = timer || setTimeout(send, Math.max(0, last + PAUSE - performance.now()));
    };
    const dab = (y, x, wipe) => {
        const reach = fine * (broad.checked ? 2.5 : 1);
        for (let r = Math.max(0, Math.ceil(y - reach)); r <= Math.min(side - 1, y + reach); r++)
            for (let c = Math.max(0, Math.ceil(x - reach)); c <= Math.min(side - 1, x + reach); c++) {
                const far = Math.hypot(r - y, c - x), i = r * side + c;
                const value = far <= reach / 2 ? 255 : far <= reach ? 128 : 0;
                ink[i] = wipe ? Math.min(ink[i], 255 - value) : Math.max(ink[i], value);
            }
    };
    const clear = () => {
        ink.fill(0);
        changed();
        status.textContent = 'The pad is empty.';
    };

    const place = event => {
        const box = canvas.getBoundingClientRect();
        const shares = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
        return shares.map(share => Math.floor(side * Math.min(Math.max(share, -1), 2)));
    };
    const stroke = event => {
        const to = place(event), start = from || to;
        const steps = Math.max(1, ...to.map((end, i) => Math.abs(end - start[i])));
        for (let step = 0; step <= steps; step++)
            dab(...to.map((end, i) => Math.round(start[i] + (end - start[i]) * step / steps)), erasing);
        from = to;
        changed();
    };
    canvas.addEventListener('pointerdown', event => {
        if (pointer !== null || ![0, 2, 5].includes(event.button)) return;
        pointer = event.pointerId;
        canvas.setPointerCapture(pointer);
        canvas.focus({preventScroll: true});
        cursor.hidden = true;
        status.textContent = '';
        erasing = erase.checked || event.button !== 0 || event.ctrlKey;  // 5: the other end of a pen
        stroke(event);
    });
    canvas.addEventListener('pointermove', event => { if (event.pointerId === pointer) stroke(event); });
    const end = event => {
        if (event.pointerId !== pointer) return;
        pointer = from = null;
        if (timer) send();
    };
    for (const kind of ['pointerup', 'pointercancel']) canvas.addEventListener(kind, end);
    canvas.addEventListener('contextmenu', event => {
        event.preventDefault();
        event.stopPropagation();
    });

    const point = () => {
        Object.assign(cursor.style, {top: `${100 * row / side}%`, left: `${100 * column / side}%`});
        cursor.hidden = false;
        const value = ink[row * side + column], much = value > 191 ? 'full' : value > 63 ? 'half full' : 'empty';
        status.textContent = `Row ${row + 1}, column ${column + 1}: ${much}`;
    };
    const inside = number => Math.min(Math.max(number, 0), side - 1);
    canvas.addEventListener('keydown', event => {
        const key = event.key.toLowerCase(), move = MOVES[event.key];
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (!move && ![' ', 'delete', 'backspace', 'c'].includes(key)) return;
        event.preventDefault();
        if (key === 'c') return clear();
        if (move) [row, column] = [inside(row + move[0]), inside(column + move[1])];
        if (!move || event.shiftKey) {
            dab(row, column, erase.checked || key === 'delete' || key === 'backspace');
            changed();
        }
        point();
    });
    canvas.addEventListener('focus', () => { if (canvas.matches(':focus-visible') && pointer === null) point(); });
    canvas.addEventListener('blur', () => { cursor.hidden = true; });
    button.addEventListener('click', clear);
    el.firstElementChild.addEventListener('keydown', event => {  // a letter means other things to JupyterLab
        const other = event.ctrlKey || event.metaKey || event.altKey;
        if (!other && !['Tab', 'Escape'].includes(event.key)) event.stopPropagation();
    });

    const follow = () => {
        if (model.get('ink') === sent || pointer !== null) return;
        ink = read();
        show();
    };
    model.on('change:ink', follow);
    show();
    return () => {
        if (timer) send();
        model.off('change:ink', follow);
    };
}
export default {render};
