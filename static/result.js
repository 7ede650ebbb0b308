// A result on the page: the reader's own file under the map, and what only a script can add.
import { download } from "./export.js";
import { enableMaps } from "./maps.js";
import { enableZoom } from "./zoom.js";

const LONGEST = 4096; // pixels of a saved overlay's longest side

/**
 * Fill a result's fragment, ready before it is shown, so that nothing blinks.
 * @param {HTMLElement} result @param {import("./gallery.js").Item} image @param {(words: string) => void} say
 * @returns {Promise<boolean>} false if the browser cannot show the file, and the server has to send the picture
 */
export async function prepareResult(result, image, say) {
  const pictures = result.querySelector("[data-pictures]");
  const original = result.querySelector("[data-original]");
  const own = !original.hasAttribute("src");
  if (own) original.src = image.address;
  const beneath = result.querySelector("[data-beneath]");
  beneath.src = original.src;
  result.style.setProperty("--ratio", pictures.dataset.width / pictures.dataset.height);
  try {
    await Promise.all([original.decode(), beneath.decode()]);
  } catch {
    if (own) return false;
  }
  const drawMap = enableMaps(result, image, say);
  enableZoom(pictures);
  enableHiding(result);
  const saves = { map: () => drawMap({ opaque: true }).map, overlay: () => drawOverlay(original, drawMap({ opaque: false })) };
  for (const button of result.querySelectorAll("[data-save]"))
    button.addEventListener("click", () =>
      saves[button.dataset.save]().toBlob((file) => download(file, `${stem(image.name)}-${result.dataset.shown.split(" ")[0]}-${button.dataset.save}.png`)),
    );
  completeResult(result);
  return true;
}

/** What the server cannot know: the reader's clock, and that there is a printer. */
export function completeResult(root) {
  const time = root.querySelector("[data-time]");
  if (time) time.textContent = moment(new Date(time.dateTime));
  root.querySelector("[data-print]")?.addEventListener("click", () => print());
}

/** 25 November 2026, 22:21: English dates are British, as the page's English is. */
function moment(date) {
  const locale = { en: "en-GB" }[document.documentElement.lang] ?? document.documentElement.lang;
  const write = (style) => new Intl.DateTimeFormat(locale, style).format(date);
  return `${write({ dateStyle: "long" })}, ${write({ timeStyle: "short" })}`;
}

/** The map is away while the button, or H in one of the pictures, is pressed. */
function enableHiding(result) {
  const hide = (hidden) => result.toggleAttribute("data-map-hidden", hidden);
  const button = result.querySelector("[data-hide]");
  button.addEventListener("pointerdown", () => hide(true));
  for (const end of ["pointerup", "pointercancel", "pointerleave", "blur"]) button.addEventListener(end, () => hide(false));
  const hides = (event) =>
    event.key.toLowerCase() === "h" ? event.target.closest("[data-frame]") : [" ", "Enter"].includes(event.key) && event.target === button;
  result.addEventListener("keydown", (event) => !event.ctrlKey && !event.metaKey && hides(event) && hide(true));
  result.addEventListener("keyup", () => hide(false));
}
// No keyup comes from a window that is not looked at.
addEventListener("blur", () => document.querySelector("[data-map-hidden]")?.removeAttribute("data-map-hidden"));

/** The picture at its own resolution, up to LONGEST, with the map of the chosen class at the chosen strength. */
function drawOverlay(original, { map, strength }) {
  const scale = Math.min(1, LONGEST / Math.max(original.naturalWidth, original.naturalHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(original.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(original.naturalHeight * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(original, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = strength;
  context.drawImage(map, 0, 0, canvas.width, canvas.height);
  return canvas;
}

const stem = (name) => name.split("/").at(-1).replace(/\.\w+$/, "");
