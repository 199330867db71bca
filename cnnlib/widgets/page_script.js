// Looks after one box of widgets, its parent element, and tells the kernel whether its page is in front.

const STEPS = {ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1};
const HANDLE = {ArrowUp: 'ArrowRight', ArrowRight: 'ArrowRight', ArrowDown: 'ArrowLeft', ArrowLeft: 'ArrowLeft'};
const GONE = 'The kernel was restarted or has ended, and this run with it. To begin again, run the cells of this page '
    + 'anew.';

function name(part, role, text) {
    if (part && text && !part.hasAttribute('aria-label')) {
        part.setAttribute('aria-label', text);
        if (role) part.setAttribute('role', role);
    }
}

function speakValue(handle) {  // what stands beside the slider: a logarithmic one would speak its exponent
    const text = handle.closest('.widget-slider')?.querySelector('.widget-readout')?.textContent;
    if (text && handle.getAttribute('aria-valuetext') !== text) handle.setAttribute('aria-valuetext', text);
}

function label(box) {
    const all = selector => box.querySelectorAll(selector);
    for (const element of all('.widget-label')) {
        const control = element.parentElement, text = element.textContent.trim();
        const handle = control.querySelector('.noUi-handle');
        name(handle, '', text);
        if (handle) speakValue(handle);
        name(control.querySelector('.widget-readout'), 'textbox', text + ', value');
        name(control.querySelector('.widget-radio-box'), 'radiogroup', text);
    }
    for (const part of all('[title=null]')) part.removeAttribute('title');
    for (const button of all('.widget-toggle-button'))
        button.setAttribute('aria-pressed', button.classList.contains('mod-active'));
    for (const text of all('.cnnlib-spoken .widget-html-content'))
        if (!text.hasAttribute('role')) text.setAttribute('role', 'status');
    for (const text of all('.cnnlib-status.jupyter-widgets-disconnected .widget-html-content')) {
        if (text.querySelector('.cnnlib-gone')) continue;
        const words = document.createElement('div');
        words.className = 'cnnlib-gone';
        words.setAttribute('role', 'alert');
        words.textContent = GONE;
        text.replaceChildren(words);
    }
}

function keepKeys(event) {  // JupyterLab and Notebook would take them for their cells
    const target = event.target, step = STEPS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
    if (!event.isTrusted) return;  // our own, below
    if (target.matches('select') && !['Tab', 'Escape'].includes(event.key)) event.stopPropagation();
    const radio = target.matches('input[type=radio]') && step;
    const handle = target.matches('.noUi-handle') && HANDLE[event.key];
    if (!radio && !handle) return;
    event.stopPropagation();
    event.preventDefault();
    if (radio) {
        const group = [...target.closest('.widget-radio-box').querySelectorAll('input')];
        const next = group[(group.indexOf(target) + step + group.length) % group.length];
        next.focus();
        next.click();
    } else target.dispatchEvent(new KeyboardEvent('keydown', {key: handle}));  // without a code it is no shortcut
}

function lookAfter(box, signal) {
    let due = 0;
    const soon = () => { due ||= setTimeout(() => { due = 0; label(box); }, 100); };
    const observer = new MutationObserver(changes => {
        for (const {attributeName, target} of changes)
            if (attributeName === 'aria-valuetext') setTimeout(speakValue, 0, target);
        soon();
    });
    observer.observe(box, {childList: true, subtree: true, attributeFilter: ['aria-valuetext', 'class']});
    signal.addEventListener('abort', () => observer.disconnect());
    const keep = event => { if (event.target instanceof Element && box.contains(event.target)) keepKeys(event); };
    window.addEventListener('keydown', keep, {capture: true, signal});
    soon();
}

function render({model, el}) {
    const ended = new AbortController(), {signal} = ended;
    const wait = () => {
        if (el.parentElement) lookAfter(el.parentElement, signal);
        else if (!signal.aborted) setTimeout(wait, 50);
    };
    wait();

    const set = (name, value) => {
        model.set(name, value);
        model.save_changes();
    };
    const tell = () => set('in_front', !document.hidden);
    const object = () => { if (!model.get('in_front') && !document.hidden) tell(); };  // to another page of this box
    document.addEventListener('visibilitychange', tell, {signal});
    model.on('change:in_front', object);
    tell();
    return () => {
        ended.abort();
        model.off('change:in_front', object);
    };
}
export default {render};
