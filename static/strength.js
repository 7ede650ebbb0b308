// How strongly the heat map covers the picture: the overlay fades over the original.

/** @param {ParentNode} root */
export function enableStrength(root) {
  const [original, overlay] = ["[data-original]", "[data-overlay]"].map((each) => root.querySelector(each));
  const slider = root.querySelector("[data-strength]");
  if (!original || !overlay || !slider) return;
  const beneath = original.cloneNode();
  beneath.alt = "";
  beneath.removeAttribute("data-original");
  overlay.before(beneath);
  overlay.closest("[data-layers]").classList.add("layered");
  slider.closest("label").hidden = false;
  slider.addEventListener("input", () => (overlay.style.opacity = slider.value / 100));
}
