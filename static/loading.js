// What is seen while an image is sent and analysed: the reader's own picture, and how far it has got.

/**
 * @param {import("./gallery.js").Item} image its `onProgress` is told the share that has been sent
 * @param {() => void} cancel
 * @param {(words: string) => void} say
 * @returns {DocumentFragment}
 */
export function loadingView(image, cancel, say) {
  const fragment = document.querySelector("#loading").content.cloneNode(true);
  const pictures = fragment.querySelector("[data-pictures]");
  const preview = fragment.querySelector("[data-preview]");
  preview.addEventListener("load", () => {
    pictures.style.setProperty("--ratio", preview.naturalWidth / preview.naturalHeight); // so that nothing moves later
  });
  preview.addEventListener("error", () => {
    preview.hidden = true;
    pictures.querySelector(".no-preview").hidden = false;
  });
  preview.src = image.address;
  const phase = fragment.querySelector("[data-phase]");
  const bar = fragment.querySelector("progress");
  image.onProgress = (share) => {
    if (!bar.hasAttribute("value")) return;
    bar.value = share;
    if (share < 1) return;
    bar.removeAttribute("value"); // nobody knows how long the model takes
    bar.setAttribute("aria-label", phase.dataset.waiting);
    phase.textContent = phase.dataset.waiting;
    if (phase.isConnected) say(phase.textContent);
  };
  if (image.sent) image.onProgress(image.sent);
  fragment.querySelector("[data-cancel]").addEventListener("click", cancel);
  return fragment;
}
