// The heat maps of a result: all classes and methods came with it; the one that is chosen is coloured here.
import { COLORMAP } from "./colormap.js";

const OPACITY = 0.6; // of the strongest evidence, as in the API's overlays

/** @param {ParentNode} root a result, or a document that holds one */
export function enableMaps(root) {
  const result = root.querySelector('[data-outcome="result"]');
  const template = result?.querySelector("template[data-maps]");
  if (!template) return;
  const original = result.querySelector("[data-original]");
  const overlay = result.querySelector("[data-overlay]");
  const beneath = original.cloneNode();
  beneath.alt = "";
  beneath.removeAttribute("data-original");
  const canvas = document.createElement("canvas");
  canvas.className = "overlay";
  canvas.dataset.overlay = "";
  canvas.setAttribute("role", "img");
  const words = { alt: overlay.dataset.alt, ...result.querySelector("[data-note]").dataset };
  overlay.replaceWith(beneath, canvas);
  result.querySelector("[data-layers]").classList.add("layered");

  const classes = result.querySelector('select[name="class"]');
  const radio = (name) => result.querySelector(`input[name="${name}"]:checked`).value;
  const choice = () => [classes.value, radio("method"), radio("look")];
  const strength = result.querySelector("[data-strength]");
  const view = fieldOfView(result);

  async function show() {
    const [code, method, look] = choice();
    const map = template.content.querySelector(`[data-map="${code}"][data-method="${method}"]`);
    const name = classes.selectedOptions[0].textContent;
    const grey = await read(map);
    if (choice().join() !== [code, method, look].join()) return; // chosen anew meanwhile
    paint(canvas, grey, { opaque: look === "map", view });
    canvas.setAttribute("aria-label", words.alt.replace("{name}", name));
    beneath.style.visibility = look === "map" ? "hidden" : "visible"; // it keeps the frame open
    strength.disabled = look === "map";
    canvas.style.opacity = look === "map" ? 1 : strength.value / 100;
    const note = Number(map.dataset.peak) > 0 ? words.words : words.empty;
    result.querySelector("[data-note]").textContent = note.replace("{name}", name);
    result.dataset.shown = `${code} ${method} ${look}`;
  }

  result.querySelector("[data-controls]").hidden = false;
  result.addEventListener("change", (event) => event.target !== strength && show());
  strength.addEventListener("input", () => (canvas.style.opacity = strength.value / 100));
  return show();
}

/** The grey levels of a map, as the pixels of an image. */
async function read(template) {
  const image = new Image();
  image.src = template.src;
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** The part of the picture that the model saw, in shares of it; outside there is no evidence to be coloured. */
function fieldOfView(result) {
  const box = result.querySelector(".view rect");
  if (!box) return { x: 0, y: 0, width: 1, height: 1 };
  const { width, height } = box.ownerSVGElement.viewBox.baseVal;
  const share = (name, of) => box[name].baseVal.value / of;
  return { x: share("x", width), y: share("y", height), width: share("width", width), height: share("height", height) };
}

function paint(canvas, grey, { opaque, view }) {
  const { data, width, height } = grey;
  for (let i = 0; i < data.length; i += 4) {
    const level = data[i];
    data[i] = COLORMAP[3 * level];
    data[i + 1] = COLORMAP[3 * level + 1];
    data[i + 2] = COLORMAP[3 * level + 2];
    data[i + 3] = opaque ? 255 : Math.round(OPACITY * level);
  }
  canvas.width = width;
  canvas.height = height;
  const seen = [view.x * width, view.y * height, view.width * width, view.height * height];
  canvas.getContext("2d").putImageData(grey, 0, 0, ...seen.map(Math.round));
}
