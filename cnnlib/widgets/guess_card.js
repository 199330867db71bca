// A guess's card: tells the kernel what was chosen, and shows what the kernel makes of it.

function render({model, el}) {
    const ended = new AbortController(), {signal} = ended;
    el.innerHTML = model.get('html');
    const inputs = [...el.querySelectorAll('input')], output = el.querySelector('output');
    const note = el.querySelector('.cnnlib-note'), details = el.querySelector('details');
    const group = `guess-${Math.random()}`;  // the question and its answer are two cards on one page
    const choose = value => {
        if (details) details.open = true;
        model.set('chosen', value);
        model.save_changes();
    };
    for (const input of inputs) {
        if (input.type === 'radio') input.name = group;
        input.addEventListener('change', () => choose(Number(input.value)), {signal});
        input.addEventListener('input', () => { if (output) output.textContent = Number(input.value); }, {signal});
    }
    const keep = event => {  // JupyterLab would take the arrow keys of the scale for its cells
        const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
        if (plain && event.target.type === 'range' && inputs.includes(event.target)) event.stopPropagation();
    };
    window.addEventListener('keydown', keep, {capture: true, signal});

    const show = () => {
        const chosen = model.get('chosen');
        note.textContent = model.get('note');
        if (details && model.get('result')) details.lastElementChild.innerHTML = model.get('result');
        if (chosen === null || chosen === undefined) return;
        if (details) details.open = true;
        for (const input of inputs)
            if (input.type === 'range') input.value = output.textContent = chosen;
            else input.checked = Number(input.value) === chosen;
    };
    for (const name of ['chosen', 'note', 'result']) model.on(`change:${name}`, show);
    show();
    return () => {
        ended.abort();
        for (const name of ['chosen', 'note', 'result']) model.off(`change:${name}`, show);
    };
}
export default {render};
