// Puts a chart with controls in place of each picture of a recorded panel; below 600 pixels its parts stand in a column.
function draw(place) {
    const {specification, options} = JSON.parse(place.querySelector('script').textContent);
    const room = place.clientWidth, narrow = room < 600;
    specification.columns = narrow ? 1 : specification.concat.length;
    const width = narrow ? room - 90 : Math.max(200, room / specification.concat.length - 95);
    for (const part of specification.concat) part.width = width;
    let stage = place.querySelector('.cnnlib-recorded-stage');
    if (!stage) {
        stage = document.createElement('div');
        stage.className = 'cnnlib-recorded-stage';
        place.prepend(stage);
    }
    place.querySelector('img')?.remove();
    vegaEmbed(stage, specification, options);
}
for (const place of document.querySelectorAll('.cnnlib-recorded')) {
    let before = 0;
    new ResizeObserver(() => {
        if (Math.abs(place.clientWidth - before) < 40) return;
        before = place.clientWidth;
        draw(place);
    }).observe(place);
}
