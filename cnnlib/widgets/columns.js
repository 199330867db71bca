// A drawing that the kernel makes anew at each move; its parts with a data-value can be pressed.

function render({model, el}) {
    let times = 0;
    const press = event => {
        const part = event.target.closest('[data-value]');
        if (!part || (event.type === 'keydown' && !['Enter', ' '].includes(event.key))) return;
        event.preventDefault();
        event.stopPropagation();
        model.set('pressed', [Number(part.dataset.value), ++times]);
        model.save_changes();
    };
    const show = () => {
        const focused = el.contains(document.activeElement) && document.activeElement.dataset.value;
        el.innerHTML = model.get('value');
        if (focused) el.querySelector(`[data-value="${focused}"]`)?.focus({preventScroll: true});
    };
    el.addEventListener('click', press);
    el.addEventListener('keydown', press);
    model.on('change:value', show);
    show();
    return () => model.off('change:value', show);
}
export default {render};
