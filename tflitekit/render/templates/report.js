// Draws the plots and redraws one when its choice changes. Colors are CSS variables, so themes and paper need nothing here.
(() => {
  "use strict";
  const { config, specs } = JSON.parse(document.getElementById("plots").textContent);
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

  async function draw(figure) {
    const key = [...figure.querySelectorAll(".choice select, .choice input:checked")].map((c) => c.value).join(" ");
    const spec = specs[figure.id][key];
    drawn.get(figure)?.finalize();
    drawn.set(figure, await vegaEmbed(figure.querySelector(".canvas"), spec, options));
    for (const item of figure.querySelectorAll(".legend li")) {
      item.hidden = spec.usermeta !== undefined && !spec.usermeta.variants.includes(item.dataset.variant);
    }
  }

  async function drawAll() {
    for (const figure of document.querySelectorAll("figure.plot")) {
      figure.querySelector(".choices")?.addEventListener("change", () => draw(figure));
      await draw(figure).catch((error) => console.error(figure.id, error)); // the others are drawn all the same
    }
    document.documentElement.dataset.plots = "drawn";
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
    } else {
      for (const fold of opened.splice(0)) fold.open = false;
    }
  });

  drawAll();
})();
