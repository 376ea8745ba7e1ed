// Comfort only: the page says the same without it. Sorts tables, filters long ones, copies commands.
(() => {
  const text = (cell) => cell.dataset.value || cell.textContent.trim();

  function sort(table, index, isNumber, button) {
    const down = button.getAttribute("aria-sort-next") !== "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [text(a.cells[index]), text(b.cells[index])];
      if (!isNumber) return down ? y.localeCompare(x) : x.localeCompare(y);
      if (x === "" || isNaN(x)) return 1;
      if (y === "" || isNaN(y)) return -1;
      return down ? y - x : x - y;
    });
    body.append(...rows);
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
    button.parentElement.setAttribute("aria-sort", down ? "descending" : "ascending");
    button.setAttribute("aria-sort-next", down ? "ascending" : "descending");
  }

  for (const table of document.querySelectorAll("table[data-query]")) {
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, index) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent.trim();
      head.replaceChildren(button);
      button.addEventListener("click", () => sort(table, index, "number" in head.dataset, button));
    });
  }

  for (const table of document.querySelectorAll("table[data-filter]")) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 8) continue;
    const label = document.createElement("label");
    const input = document.createElement("input");
    const count = document.createElement("span");
    label.className = "filter";
    input.type = "search";
    count.setAttribute("role", "status");
    label.append("Filter ", input, count);
    table.closest(".scroll").before(label);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = wanted ? `${shown} of ${rows.length} rows; totals are of all` : "";
    });
  }

  if (navigator.clipboard) {
    for (const command of document.querySelectorAll(".command")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.setAttribute("aria-label", "Copy the command " + command.textContent.trim());
      const code = command.querySelector("code");
      command.append(button);
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
    }
  }
})();
