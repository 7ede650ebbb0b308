// Each view of the page is an address: the start, the table, one image. The browser's history leads between them.

/** @typedef {"start" | "table" | number} View a number is an image's id */

/** @returns {View | null} null for a place within the view, such as #main */
export function viewOf(hash) {
  if (hash === "") return "start";
  if (hash === "#table") return "table";
  const found = /^#image-(\d+)$/.exec(hash);
  return found ? Number(found[1]) : null;
}

/** Make a view the current address. @param {View} view @param {{search: string, replace?: boolean}} options */
export function record(view, { search, replace = false }) {
  const hash = { start: "", table: "#table" }[view] ?? `#image-${view}`;
  if (location.hash === hash && location.search === search) return;
  const change = replace ? history.replaceState : history.pushState;
  change.call(history, null, "", `${location.pathname}${search}${hash}`);
}

/** @param {(view: View) => void} show for the browser's back and forward, and for links to views */
export function enableHistory(show) {
  history.scrollRestoration = "manual"; // the page knows better where it was
  addEventListener("popstate", () => {
    const view = viewOf(location.hash);
    if (view !== null) show(view);
  });
}
