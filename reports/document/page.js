"use strict";
// Numbers say where they come from; columns are sorted by their heads. The page reads well without.
const sources = JSON.parse(document.getElementById("sources").textContent);
const where = document.getElementById("where");
let asked = null;

function told(number) {
  const [by, of] = sources.pairs[number];
  const keys = sources.trials[of];
  const trials = keys.length === 1 ? "1 trial" : `${keys.length} trials`;
  const from = keys.length ? `from the records of ${trials}: ${keys.join(", ")}` : "from the plan";
  return `Computed by ${sources.functions[by]}, ${from}`;
}

function hide() {
  if (asked) asked.classList.remove("asked");
  asked = null;
  where.hidden = true;
}

document.addEventListener("click", (event) => {
  const cell = event.target.closest("[data-source]");
  const again = cell === asked;
  if (event.target.closest("#where")) return;
  hide();
  if (!cell || again) return;
  asked = cell;
  cell.classList.add("asked");
  where.textContent = told(Number(cell.dataset.source));
  where.hidden = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
});
document.addEventListener("mouseover", (event) => {
  const cell = event.target.closest("[data-source]");
  if (cell && !cell.title) {
    const text = told(Number(cell.dataset.source));
    cell.title = text.length > 300 ? `${text.slice(0, 300)}… (click for all)` : text;
  }
});

function shown(row, column) {
  const cell = row.cells[column];
  const text = cell.firstChild ? cell.firstChild.textContent.trim() : "";
  const number = parseFloat(text.replace(/−/g, "-").replace(/(\d),(?=\d{3})/g, "$1"));
  return { text, number };
}

function compare(a, b) {
  const missing = Number(a.text === "–" || a.text === "") - Number(b.text === "–" || b.text === "");
  if (missing) return { fixed: missing };
  const numbers = !Number.isNaN(a.number) && !Number.isNaN(b.number);
  return { free: numbers ? a.number - b.number : a.text.localeCompare(b.text, "en", { numeric: true }) };
}

function sort(table, column, down) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => ({ row, key: shown(row, column) }));
  rows.sort((a, b) => {
    const order = compare(a.key, b.key);
    return order.fixed ?? (down ? -order.free : order.free);
  });
  body.append(...rows.map((one) => one.row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = table.tHead.rows[0].cells;
  Array.from(heads, (head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(table, column, down);
    });
  });
}
