// Draws the plots, those of a folded chapter when it opens, and redraws one when its choice changes. Colors are CSS variables, so themes and paper need nothing here.
(() => {
  "use strict";
  const { config, looks, specs, points } = JSON.parse(document.getElementById("plots").textContent);
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true, // expressions are interpreted, so the page's policy needs no 'unsafe-eval'
    defaultStyle: false,
    tooltip: { theme: "page", disableDefaultStyle: true },
    config,
  };
  const drawn = new Map();

  // Points stand in columns: their own, and those of their row among what all plots share. What is null is not known.
  function rows({ row, ...columns }) {
    const fields = (from, i) => Object.entries(from).map(([name, column]) => [name, column[i]]);
    const known = (pairs) => Object.fromEntries(pairs.filter(([, value]) => value !== null));
    return row.map((place, i) => known([...fields(points, place), ...fields(columns, i)]));
  }

  function whole({ look, ...own }) {
    if (look === undefined) return own;
    return { ...looks[look], ...own, datasets: { ...own.datasets, points: rows(own.datasets.points) } };
  }

  async function draw(figure) {
    const key = [...figure.querySelectorAll(".choice select, .choice input:checked")].map((c) => c.value).join(" ");
    const spec = whole(specs[figure.id][key]);
    drawn.get(figure)?.finalize();
    drawn.set(figure, await vegaEmbed(figure.querySelector(".canvas"), spec, options));
    for (const item of figure.querySelectorAll(".legend li")) {
      item.hidden = spec.usermeta !== undefined && !spec.usermeta.variants.includes(item.dataset.variant);
    }
  }

  async function drawIn(place) {
    const figures = [...place.querySelectorAll("figure.plot")].filter((f) => !drawn.has(f) && !f.closest(".chapter:not([open])"));
    for (const figure of figures) {
      drawn.set(figure, null);
      figure.querySelector(".choices")?.addEventListener("change", () => draw(figure));
      await draw(figure).catch((error) => console.error(figure.id, error)); // the others are drawn all the same
      if (!paper.matches) await new Promise((done) => setTimeout(done)); // what is drawn can be read meanwhile
    }
  }

  // Paper shows everything: what is folded opens for it.
  const paper = matchMedia("print");
  const opened = [];
  paper.addEventListener("change", () => {
    if (paper.matches) {
      for (const fold of document.querySelectorAll("main details:not([open])")) {
        fold.open = true;
        opened.push(fold);
      }
      drawIn(document);
    } else {
      for (const fold of opened.splice(0)) fold.open = false;
    }
  });

  for (const chapter of document.querySelectorAll(".chapter")) chapter.addEventListener("toggle", () => drawIn(chapter));
  drawIn(document).then(() => {
    document.documentElement.dataset.plots = "drawn";
  });
})();
