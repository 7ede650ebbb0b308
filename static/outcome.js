// The place of the page where the table, a result or a problem is shown.

/**
 * @param {"empty" | "batch" | "loading" | "result" | "problem"} state decides what else of the page is seen
 * @param {Node[]} parts @param {{name?: string, words?: string, focus?: boolean}} options
 */
export function showOutcome(state, parts, { name, words, focus } = {}) {
  const outcome = document.querySelector("#outcome");
  for (const part of parts)
    for (const place of part.querySelectorAll("[data-name]")) {
      place.textContent = name ?? "";
      place.hidden = !name;
    }
  document.body.dataset.state = state;
  outcome.setAttribute("aria-busy", String(state === "loading"));
  const focused = focus || outcome.contains(document.activeElement);
  outcome.replaceChildren(...parts);
  outcome.removeAttribute("data-stale");
  say(words ?? "");
  if (focused) focusOutcome(outcome);
  outcome.removeAttribute("tabindex");
}

/** What is shown belongs to an earlier address; it stays in its place, so that nothing jumps, but nobody can read it. */
export function hideStale() {
  const outcome = document.querySelector("#outcome");
  outcome.setAttribute("aria-busy", "true");
  if (outcome.contains(document.activeElement)) {
    outcome.tabIndex = -1; // holds the place of what was focused until the new part is there
    outcome.focus({ preventScroll: true });
  }
  outcome.dataset.stale = "";
  say(outcome.dataset.opening);
}

/** For those who do not see the page. */
export function say(words) {
  const place = document.querySelector("#announcement");
  if (place.textContent !== words) place.textContent = words;
}

/** What was focused is gone: reading goes on with what took its place. */
function focusOutcome(outcome) {
  const place = outcome.querySelector("h2, [data-cancel]");
  if (place?.matches("h2")) place.tabIndex = -1;
  place?.focus({ preventScroll: true });
}

/** The way from one image to the others; null if there are no others. */
export function wayAmong(images, image, { total, step }) {
  if (total < 2) return null;
  const nav = document.querySelector("#among").content.firstElementChild.cloneNode(true);
  const all = nav.querySelector("[data-all]");
  all.textContent = all.dataset.words.replace("{total}", total);
  const place = images.indexOf(image);
  const position = nav.querySelector("[data-position]");
  position.textContent = position.dataset.words.replace("{number}", place + 1).replace("{total}", images.length);
  nav.querySelector(".steps").hidden = place < 0 || images.length < 2; // the filter hides it
  for (const button of nav.querySelectorAll("[data-step]")) {
    const by = Number(button.dataset.step);
    button.disabled = !images[place + by];
    button.addEventListener("click", () => step(by));
  }
  return nav;
}
