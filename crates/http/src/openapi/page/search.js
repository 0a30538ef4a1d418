// The search of the page: what has not all the words is hidden.
"use strict";
(() => {
  const nav = document.querySelector("nav");
  const search = document.getElementById("search");
  const [input, output] = search.children;
  const contents = nav.querySelector("details");
  const folds = [...contents.querySelectorAll("details")];
  const narrow = matchMedia("(max-width: 60rem)");
  const WORDS = "h3, .summary, .tag, td:first-child code, .errors code";
  let entries = null;
  let open = null;

  // Reading the whole page takes a while: not before somebody searches.
  const read = () => [...contents.querySelectorAll("li > a")].map((link) => {
    const article = document.getElementById(link.hash.slice(1));
    const words = [...article.querySelectorAll(WORDS)].map((element) => element.textContent);
    return { link, item: link.parentElement, article, text: words.join(" ").toLowerCase() };
  });

  // Hides what holds entries, all of which are hidden.
  const hideEmpty = (holders, of) => {
    for (const holder of holders) {
      const held = [...holder.querySelectorAll(of)];
      holder.hidden = input.value.trim() !== "" && held.every((one) => one.hidden);
    }
  };

  const apply = () => {
    entries ??= read();
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { item, article, text } of entries) {
      const fits = words.every((word) => text.includes(word));
      item.hidden = article.hidden = !fits;
      found += fits;
    }
    output.value = words.length ? `${found} of ${entries.length}` : "";
    if (words.length && !open) {
      open = [contents, ...folds].map((fold) => fold.open);
      for (const fold of [contents, ...folds]) fold.open = true;
    } else if (!words.length && open) {
      [contents, ...folds].forEach((fold, index) => (fold.open = open[index]));
      open = null;
    }
    hideEmpty(folds, "li");
    hideEmpty(document.querySelectorAll("main > section"), "article");
  };

  const clear = () => {
    input.value = "";
    apply();
  };

  // A link may lead to what the search has hidden.
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.closest("[hidden]")) clear();
    target?.scrollIntoView();
  };

  input.addEventListener("input", apply);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
    if (event.key === "Enter") entries?.find(({ item }) => !item.hidden)?.link.click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target === input) return;
    event.preventDefault();
    input.focus();
  });
  contents.addEventListener("click", (event) => {
    if (narrow.matches && event.target.closest("a")) contents.open = false;
  });
  addEventListener("hashchange", reveal);

  if (narrow.matches) for (const fold of folds) fold.open = false;
  document.getElementById("origin").textContent = location.origin;
  search.hidden = false;
})();
