// Searches, filters and sorts the rows of the index. A page of the table has a hundred rows, so that thousands cost nothing.
(() => {
  "use strict";
  const PAGE = 100;
  const NUMBERS = new Map([[3, 0], [4, 1], [5, 2], [6, 3]]); // columns of numbers, and where a row keeps each
  const METRIC = 3;
  const [MADE, SCHEME, REPORT_PAGE, RUN, REPORT, STATUS] = [7, 9, 10, 11, 12, 13];
  const MARKS = { chosen: 1, accepted: 2, latest: 4 };
  const COLUMNS = 9;
  const { texts, rows } = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const filters = { model: 0, device: 2, scheme: SCHEME };
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  // Texts have a rank, so that rows are sorted by numbers.
  const ranks = new Array(texts.length);
  texts.map((_, i) => i).sort((a, b) => compare(texts[a], texts[b])).forEach((place, rank) => { ranks[place] = rank; });
  const words = rows.map(([cells]) => [0, 1, 2, MADE, 8, SCHEME, REPORT].map((i) => texts[cells[i]]).join("\n").toLowerCase());
  let sorted = { column: MADE, up: false };
  let shown = [];
  let page = 0;

  for (const [id, column] of Object.entries(filters)) {
    const values = [...new Set(rows.map(([cells]) => cells[column]))].sort((a, b) => ranks[a] - ranks[b]);
    for (const value of values) by(id).add(new Option(texts[value], value));
  }

  function key(row, column) {
    const place = NUMBERS.get(column);
    return place === undefined ? ranks[row[0][column]] : row[1][place];
  }

  function choose() {
    const wanted = by("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = Object.entries(filters).filter(([id]) => by(id).value).map(([id, column]) => [column, +by(id).value]);
    const marks = Object.entries(MARKS).reduce((sum, [id, bit]) => sum | (by(id).checked ? bit : 0), 0);
    shown = rows.map((_, i) => i).filter((i) => {
      const [cells, , has] = rows[i];
      return (has & marks) === marks && chosen.every(([c, v]) => cells[c] === v) && wanted.every((w) => words[i].includes(w));
    });
    const sign = sorted.up ? 1 : -1;
    shown.sort((a, b) => {
      const [x, y] = [key(rows[a], sorted.column), key(rows[b], sorted.column)];
      if (x === null || y === null) return (x === null) - (y === null) || a - b; // what is not known comes last
      return sign * (x - y) || a - b;
    });
    page = 0;
    draw();
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function link(text, address) {
    const made = element("a", text);
    made.href = address;
    return made;
  }

  function line([cells, , marks]) {
    const made = document.createElement("tr");
    for (let column = 0; column < COLUMNS; column += 1) {
      const cell = element(column === 0 ? "th" : "td", "", NUMBERS.has(column) ? "number" : "");
      if (column === 0) cell.scope = "row";
      const text = texts[cells[column]];
      const [first, second] = column === METRIC ? text.split("\n") : [text];
      cell.append(element("bdi", column === MADE ? text.slice(0, 10) : first));
      if (second) cell.append(element("small", second));
      if (column === MADE) cell.title = `${text} UTC`;
      if (column === 1) {
        if (marks & MARKS.chosen) cell.append(element("span", "recommended", "badge good"));
        if (texts[cells[STATUS]]) cell.append(element("span", texts[cells[STATUS]], "badge bad"));
      }
      if (column === 0 && marks & MARKS.accepted) cell.append(element("span", "accepted", "badge accent"));
      made.append(cell);
    }
    const last = document.createElement("td");
    const [address, run, id] = [REPORT_PAGE, RUN, REPORT].map((i) => texts[cells[i]]);
    last.append(address ? link(id, address) : element("code", id));
    if (run) last.append(" ", link("MLflow", run));
    made.append(last);
    return made;
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    const first = page * PAGE;
    const now = shown.slice(first, first + PAGE);
    document.querySelector("#reports tbody").replaceChildren(...now.map((i) => line(rows[i])));
    const number = (n) => n.toLocaleString("en");
    by("count").textContent = now.length
      ? `${number(first + 1)} to ${number(first + now.length)} of ${number(shown.length)} rows`
      : "Nothing fits.";
    by("previous").disabled = page === 0;
    by("next").disabled = page + 1 >= pages;
    for (const button of document.querySelectorAll("#reports thead button")) {
      const head = button.closest("th");
      if (+button.dataset.column === sorted.column) head.ariaSort = sorted.up ? "ascending" : "descending";
      else head.removeAttribute("aria-sort");
    }
  }

  function turn(pages) {
    page += pages;
    draw();
    document.querySelector("#reports").scrollIntoView({ block: "start" });
  }

  for (const button of document.querySelectorAll("#reports thead button")) {
    button.addEventListener("click", () => {
      const column = +button.dataset.column;
      sorted = { column, up: sorted.column === column ? !sorted.up : column !== MADE };
      choose();
    });
  }
  document.querySelector(".filters").addEventListener("input", choose);
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  by("previous").addEventListener("click", () => turn(-1));
  by("next").addEventListener("click", () => turn(1));
  choose();
})();
