// Draws the chosen heat map of a result, from the cells that came with it.
import { COLORMAP } from "./colormap.js";

const OPACITY = 0.6; // of the strongest evidence, as in the API's overlays
const SIDE = 640; // longest side of the drawn map: a network's cells are coarse

/**
 * Draw the map that is chosen, and each one that is chosen later.
 * @param {HTMLElement} result @param {{choice?: object}} image its `choice` is kept for the next time
 * @param {(words: string) => void} say
 * @returns {(options: {opaque: boolean}) => {map: HTMLCanvasElement, strength: number}} draws the chosen map for a file
 */
export function enableMaps(result, image, say) {
  const canvas = result.querySelector("canvas[data-overlay]");
  const place = placeOf(result);
  const note = result.querySelector("[data-note]");
  const split = result.querySelector("[data-split]");
  const strength = result.querySelector("[data-strength]");
  const controls = result.querySelector("[data-controls]");
  const radio = (name) => controls.querySelector(`input[name="${name}"]:checked`).value;
  const choice = () => ({ code: controls.querySelector("select").value, method: radio("method"), look: radio("look") });
  const mapOf = ({ code, method }) =>
    result.querySelector("template[data-maps]").content.querySelector(`[data-map="${code}"][data-method="${method}"]`);

  function show() {
    const chosen = choice();
    const map = mapOf(chosen);
    const name = controls.querySelector("select").selectedOptions[0].textContent;
    paint(canvas, cellsOf(map), { place, opaque: chosen.look === "map" });
    canvas.setAttribute("aria-label", canvas.dataset.alt.replace("{name}", name));
    result.dataset.look = chosen.look; // styles hide what lies beneath, and cut the map at the divider
    const region = map.dataset.region ? note.dataset.region.replace("{words}", map.dataset.region) : "";
    const words = Number(map.dataset.peak) > 0 ? note.dataset.words : note.dataset.empty;
    note.textContent = `${words.replace("{name}", name)} ${region}`;
    strength.disabled = chosen.look === "map";
    split.hidden = result.querySelector(".divider").hidden = chosen.look !== "compare";
    result.dataset.shown = `${chosen.code} ${chosen.method} ${chosen.look}`;
    image.choice = { ...chosen, code: chosen.code === predicted ? null : chosen.code };
  }

  const predicted = controls.querySelector("select").value;
  recall(controls, image.choice);
  const slide = () => {
    result.style.setProperty("--strength", strength.value / 100);
    result.style.setProperty("--split", `${split.firstElementChild.value}%`);
  };
  controls.addEventListener("input", slide);
  controls.addEventListener("change", (event) => {
    if (event.target.type === "range") return;
    show();
    say(note.textContent);
  });
  slide();
  show();
  return ({ opaque }) => {
    const map = document.createElement("canvas");
    paint(map, cellsOf(mapOf(choice())), { place, opaque });
    return { map, strength: strength.value / 100 };
  };
}

function recall(controls, choice) {
  if (!choice) return;
  if (choice.code) controls.querySelector("select").value = choice.code;
  for (const name of ["method", "look"]) controls.querySelector(`input[name="${name}"][value="${choice[name]}"]`).checked = true;
}

/** Where the map lies on its canvas: the canvas has the picture's shape, the box is the part that the model saw. */
function placeOf(result) {
  const { width, height } = result.querySelector("[data-pictures]").dataset;
  const scale = SIDE / Math.max(width, height);
  const round = (value) => Math.round(value * scale);
  const seen = result.querySelector(".view rect");
  const box = seen
    ? { x: seen.x.baseVal.value, y: seen.y.baseVal.value, width: seen.width.baseVal.value, height: seen.height.baseVal.value }
    : { x: 0, y: 0, width: Number(width), height: Number(height) };
  const [left, top] = [round(box.x), round(box.y)];
  return {
    width: Math.max(1, round(width)),
    height: Math.max(1, round(height)),
    box: { left, top, width: Math.max(1, round(box.x + box.width) - left), height: Math.max(1, round(box.y + box.height) - top) },
  };
}

function cellsOf(map) {
  const levels = Uint8Array.from(atob(map.dataset.cells), (letter) => letter.charCodeAt(0));
  const columns = Number(map.dataset.columns);
  return { levels, columns, rows: levels.length / columns };
}

/** The two nearest cells of each pixel, and how near the second one is: bilinear, the outer cells reach to the edge. */
function steps(pixels, cells) {
  return Array.from({ length: pixels }, (_, pixel) => {
    const at = Math.min(Math.max(((pixel + 0.5) * cells) / pixels - 0.5, 0), cells - 1);
    const first = Math.floor(at);
    return [first, Math.min(first + 1, cells - 1), at - first];
  });
}

function paint(canvas, { levels, columns, rows }, { place, opaque }) {
  canvas.width = place.width;
  canvas.height = place.height;
  const { left, top, width, height } = place.box;
  const pixels = new ImageData(width, height);
  const across = steps(width, columns);
  let i = 0;
  for (const [upper, lower, down] of steps(height, rows))
    for (const [one, other, right] of across) {
      const above = levels[upper * columns + one] * (1 - right) + levels[upper * columns + other] * right;
      const below = levels[lower * columns + one] * (1 - right) + levels[lower * columns + other] * right;
      const level = Math.round(above * (1 - down) + below * down);
      pixels.data[i] = COLORMAP[3 * level];
      pixels.data[i + 1] = COLORMAP[3 * level + 1];
      pixels.data[i + 2] = COLORMAP[3 * level + 2];
      pixels.data[i + 3] = opaque ? 255 : Math.round(OPACITY * level);
      i += 4;
    }
  canvas.getContext("2d").putImageData(pixels, left, top);
}
