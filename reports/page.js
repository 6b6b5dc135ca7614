"use strict";
document.documentElement.classList.add("js");

const table = document.querySelector("table.runs");
if (table) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const headers = Array.from(table.tHead.rows[0].cells);

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const missing = (value) => value === "" || Number.isNaN(value);
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), undefined, { numeric: true });

  const sortBy = (column, direction) => {
    headers.forEach((header, index) => {
      if (header.hasAttribute("aria-sort")) {
        header.setAttribute("aria-sort", index === column ? direction : "none");
      }
    });
    const sign = direction === "ascending" ? 1 : -1;
    rows
      .map((row) => [valueOf(row, column), row])
      .sort(([a], [b]) => {
        // Runs without this number stay at the end, whichever way it is sorted.
        if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
        return sign * compare(a, b);
      })
      .forEach(([, row]) => body.append(row));
  };

  headers.forEach((header, column) => {
    const button = header.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const first = header.dataset.first || "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      sortBy(column, header.getAttribute("aria-sort") === first ? other : first);
    });
  });

  const form = document.querySelector("form.controls");
  const search = form.querySelector("input");
  const selects = Array.from(form.querySelectorAll("select"));
  const shown = form.querySelector("output");
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits =
        words.every((word) => text.includes(word)) &&
        selects.every((select) => {
          if (select.value === "") return true;
          return row.cells[Number(select.dataset.column)].textContent.trim() === select.selectedOptions[0].text;
        });
      row.hidden = !fits;
      count += Number(fits);
    }
    shown.textContent = `${count} of ${rows.length} runs`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  filter();
}

const openTarget = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", openTarget);
openTarget();
