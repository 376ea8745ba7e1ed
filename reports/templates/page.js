// Comfort only: the page says the same without it. Sorts tables, filters long ones, copies commands, marks where you are.
(() => {
  const collator = new Intl.Collator("en", { numeric: true });
  const value = (row, index) => row.cells[index].dataset.value || row.cells[index].textContent.trim();

  function button(words, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.append(words);
    made.addEventListener("click", action);
    return made;
  }

  // Largest first for numbers, A to Z for words; again turns it round. What is unknown stays at the end.
  function sort(table, head, index) {
    const isNumber = "number" in head.dataset;
    const was = head.getAttribute("aria-sort");
    const down = was ? was === "ascending" : isNumber;
    const known = (text) => !isNumber || (text !== "" && !isNaN(text));
    const rows = [...table.tBodies[0].rows].map((row) => [value(row, index), row]);
    rows.sort(([a], [b]) => {
      if (!known(a) || !known(b)) return known(b) - known(a);
      const order = isNumber ? a - b : collator.compare(a, b);
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  for (const table of document.querySelectorAll("table[data-query]")) {
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, index) => {
      const words = head.textContent.trim();
      if (words) head.replaceChildren(button(words, () => sort(table, head, index)));
    });
  }

  function filter(table, rows) {
    const [line, label, input, count] = ["div", "label", "input", "output"].map((name) => document.createElement(name));
    line.className = "filter";
    input.type = "search";
    label.append("Filter " + (table.dataset.currency || "rows"), input);
    line.append(label, count);
    table.closest(".scroll").before(line);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      const shown = rows.filter((row) => !row.hidden).length;
      count.textContent = wanted ? `${shown} of ${rows.length} rows; the totals stay those of all` : "";
    });
  }

  for (const table of document.querySelectorAll("table[data-filter]")) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length >= 8) filter(table, rows);
  }

  if (navigator.clipboard) {
    for (const command of document.querySelectorAll(".command")) {
      const text = command.textContent.trim();
      const copy = button("Copy", async () => {
        try {
          await navigator.clipboard.writeText(text);
          copy.textContent = "Copied";
        } catch {
          getSelection().selectAllChildren(command.querySelector("code"));
          copy.textContent = "Selected";
        }
        setTimeout(() => { copy.textContent = "Copy"; }, 1500);
      });
      copy.className = "copy";
      copy.setAttribute("aria-label", "Copy the command " + text);
      command.append(copy);
    }
  }

  const links = new Map([...document.querySelectorAll(".jump a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting || !links.has(target.id)) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      const link = links.get(target.id);
      link.setAttribute("aria-current", "true");
      const strip = link.closest("ul");
      strip.scrollLeft = link.offsetLeft - strip.clientWidth / 2;
    }
  }, { rootMargin: "-20% 0px -75%" });
  for (const section of document.querySelectorAll("main section[id]")) seen.observe(section);
})();
