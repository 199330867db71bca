"""What a page needs so that every control works without a mouse, and has a name for a screen reader.

ipywidgets 8 draws the label of a slider beside it, but the handle that takes the keyboard does not know it, and no
trait can tell it; and JupyterLab takes the arrow keys for its cells before a list or a group of radio buttons gets
them. So every widget of ours has one invisible part more, a piece of HTML that looks after the page: whatever is drawn
inside a `cnnlib-…` box gets the name of its label and the value that is shown beside it (a logarithmic slider would say
its exponent), keeps its keys, notes are spoken when they change, and a status line says so when its kernel is gone. On
a page that forbids this, all is as ipywidgets made it.
"""

import ipywidgets
import traitlets

OURS = "[class*=cnnlib-]"

# Labels stand above sliders, so that a long one leaves the track its length. In a dark theme ipywidgets draws the arrow
# of a list dark on dark, and writes dark on the colours of buttons: white on these has a contrast of 5.
STYLE = """
:is(OURS, OURS *).widget-hslider { flex-flow: row wrap; height: auto; min-width: 220px; }
:is(OURS, OURS *).widget-hslider > .widget-label {
    flex: 0 0 100%; height: auto; margin: 0; text-align: left; white-space: normal; line-height: 1.2;
}
:is(OURS, OURS *).widget-hslider > .slider-container { flex: 1 1 140px; min-width: 140px; }
OURS .jupyter-button.mod-success { background: #1a7f37; color: #fff; }
OURS .jupyter-button.mod-warning { background: #9a5b00; color: #fff; }
[data-jp-theme-light=false] OURS select { background-image: url("data:image/svg+xml,%3Csvg \
xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E%3Cpath d='M5 7l4 4 4-4z' fill='%23ddd'/%3E%3C/svg%3E"); }
""".replace("OURS", OURS).replace("\\\n", "")

# what a status line says when nobody answers any more
GONE = "The kernel was restarted or has ended, and this run with it. To begin again, run the cells of this page anew."

LOOK = """
if (!window.cnnlibNames) {
    let due = 0;
    const all = selector => document.querySelectorAll(selector);
    const name = (part, role, text) => {
        if (part && text && !part.hasAttribute('aria-label')) {
            part.setAttribute('aria-label', text);
            if (role) part.setAttribute('role', role);
        }
    };
    const look = () => {
        due = 0;
        for (const label of all('OURS .widget-label')) {
            const box = label.parentElement, text = label.textContent.trim();
            const handle = box.querySelector('.noUi-handle');
            name(handle, '', text);
            if (handle) say(handle);
            name(box.querySelector('.widget-readout'), 'textbox', text + ', value');
            name(box.querySelector('.widget-radio-box'), 'radiogroup', text);
        }
        for (const part of all('OURS [title=null]')) part.removeAttribute('title');
        for (const button of all('OURS .widget-toggle-button'))
            button.setAttribute('aria-pressed', button.classList.contains('mod-active'));
        for (const text of all('.cnnlib-spoken .widget-html-content'))
            if (!text.hasAttribute('role')) text.setAttribute('role', 'status');
    };
    const soon = () => { due = due || setTimeout(look, 100); };
    const keep = event => {
        const here = event.target, step = {ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1}[event.key];
        const other = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
        if (other || ['Tab', 'Escape'].includes(event.key) || !here.closest || !here.closest('OURS')) return;
        if (here.matches('select')) event.stopPropagation();
        if (here.matches('input[type=radio]') && step) {
            const group = [...here.closest('.widget-radio-box').querySelectorAll('input')];
            const next = group[(group.indexOf(here) + step + group.length) % group.length];
            event.stopPropagation();
            event.preventDefault();
            next.focus();
            next.click();
        }
        if (here.matches('.noUi-handle') && ['ArrowUp', 'ArrowDown'].includes(event.key)) {
            event.stopPropagation();
            event.preventDefault();
            here.dispatchEvent(new KeyboardEvent('keydown', {key: step < 0 ? 'ArrowRight' : 'ArrowLeft'}));
        }
    };
    const say = handle => {
        const readout = handle.closest('.widget-slider')?.querySelector('.widget-readout');
        const text = readout && readout.textContent;
        if (text && handle.getAttribute('aria-valuetext') !== text) handle.setAttribute('aria-valuetext', text);
    };
    const follow = changes => {
        for (const change of changes) if (change.attributeName) setTimeout(say, 0, change.target);
        soon();
    };
    window.cnnlibNames = new MutationObserver(follow);
    const what = {childList: true, subtree: true, attributeFilter: ['aria-valuetext']};
    window.cnnlibNames.observe(document.body, what);
    const alone = () => {
        for (const text of all('.cnnlib-status.jupyter-widgets-disconnected .widget-html-content')) {
            if (text.querySelector('.cnnlib-gone')) continue;
            const words = document.createElement('div');
            words.className = 'cnnlib-gone';
            words.setAttribute('role', 'alert');
            words.textContent = 'GONE';
            text.replaceChildren(words);
        }
    };
    setInterval(alone, 1000);
    document.addEventListener('click', soon);
    window.addEventListener('keydown', keep, true);
    soon();
}
""".replace("OURS", OURS).replace("GONE", GONE)

SPOKEN = "cnnlib-spoken"  # the class of a widget whose text is spoken whenever it changes


class Namer(ipywidgets.HTML):
    """The invisible part. Each box has its own: one for all would keep the elements of closed boxes on the page."""

    def __init__(self):
        code = " ".join(LOOK.split())
        text = f'<style>{STYLE}</style><img alt="" src="data:," onerror="{code}">'
        super().__init__(text, layout={"display": "none"})


class NamedImage(ipywidgets.Image):
    """An image whose `tooltip` is its name for those who cannot see it."""

    description = traitlets.Unicode("").tag(sync=True)  # the page asks for one before it sets a tooltip


def name_parts(widget):
    """Have the parts of a box named, and their keys kept for them, on the page."""
    if isinstance(widget, ipywidgets.Box) and not any(isinstance(child, Namer) for child in widget.children):
        widget.children = (*widget.children, Namer())
