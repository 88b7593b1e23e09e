// What the page can do without this, it does without this: here are a search, an order by each column, and links that unfold.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const reveal = (hash) => {
    const found = hash.length > 1 && document.getElementById(hash.slice(1));
    if (!found) return;
    for (let fold = found.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    found.scrollIntoView();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link) setTimeout(reveal, 0, link.hash);
  });
  addEventListener("hashchange", () => reveal(location.hash));
  reveal(location.hash);

  let closed = [];
  addEventListener("beforeprint", () => { closed = all("details:not([open])"); closed.forEach((fold) => { fold.open = true; }); });
  addEventListener("afterprint", () => { closed.forEach((fold) => { fold.open = false; }); });

  const search = document.getElementById("search");
  search.hidden = false;
  search.querySelector("input").addEventListener("input", (event) => {
    const wanted = event.target.value.toLocaleLowerCase();
    const told = new Set(); // where it is said of whom is found: of those who came out alike, in the first one's part
    for (const row of all("#class tbody tr")) {
      row.hidden = !row.cells[0].textContent.toLocaleLowerCase().includes(wanted);
      if (!row.hidden) told.add(row.cells[0].querySelector("a").hash);
    }
    for (const part of all("#submissions > .submission")) part.hidden = !told.has(`#${part.id}`);
  });

  const unfold = document.getElementById("unfold");
  unfold.hidden = false;
  unfold.addEventListener("click", () => {
    const folds = all("#submissions details"), open = folds.some((fold) => !fold.open);
    folds.forEach((fold) => { fold.open = open; });
    unfold.textContent = open ? "fold all" : "unfold all";
  });

  // An exercise's column: first those whom it cost something, by verdict; a second time, the others first.
  const body = document.querySelector("#class tbody"), given = all("tr", body), names = document.getElementById("by-name");
  let last = null;
  all("#class thead .name").forEach((head, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const turn = last === head ? -1 : 1;
      all("#class [aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", turn > 0 ? "descending" : "ascending");
      last = turn > 0 ? head : null;
      const key = (row) => { const cell = row.cells[number + 2]; return cell.className === "p" ? "~" : cell.textContent.trim() || "~~"; };
      body.append(...[...given].sort((a, b) => turn * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0)));
      if (names) names.checked = true;
    });
  });
  all('input[name="order"]').forEach((input) => input.addEventListener("change", () => {
    all("#class [aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
    last = null;
    body.append(...given);
  }));
})();
