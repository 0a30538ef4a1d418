// Finds what is to be clicked on by the name under which people see it, wherever on the page that is: in the row of a
// table, "End" is "End the lost phone". It must be the only one, and nothing may lie above it.
(name) => {
  const words = (element) => element.innerText.replace(/\s+/g, " ").trim();
  const all = [...document.querySelectorAll("a[href], button, summary, label")];
  const named = all.filter((element) => element.checkVisibility() && words(element) === name);
  if (named.length !== 1) return { problem: `seen ${named.length} times among ${JSON.stringify(all.map(words))}` };
  const [element] = named;
  element.scrollIntoView({ block: "center" });
  const box = element.getClientRects()[0];
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const hit = document.elementFromPoint(x, y);
  if (!element.contains(hit)) return { problem: `covered by ${hit && hit.outerHTML.slice(0, 200)}` };
  return { x, y };
}
