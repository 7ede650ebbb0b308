// Zoom and move the pictures of a result together: wheel, two fingers, mouse, keyboard, buttons.

const LARGEST = 40;
const STEP = 1.25;
const STILL_SCROLLING = 400; // milliseconds: a wheel that scrolls the page goes on doing so over a picture
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

let scrolled = -Infinity;
addEventListener("scroll", () => (scrolled = performance.now()), { passive: true });

/** @param {HTMLElement} pictures holds frames `[data-frame]` with `.layers`, and buttons `[data-zoom]` */
export function enableZoom(pictures) {
  const view = { scale: 1, x: 0, y: 0 }; // x, y: the middle of the frame from that of the picture, in pictures' sizes
  const frames = [...pictures.querySelectorAll("[data-frame]")];

  function apply() {
    const frame = frames[0].getBoundingClientRect();
    const layers = sizeOf(frames[0]);
    for (const [axis, side] of [["x", "width"], ["y", "height"]]) {
      const most = Math.max(0, (view.scale - frame[side] / layers[side]) / 2); // no further than the picture's edge
      view[axis] = Math.min(most, Math.max(-most, view[axis]));
    }
    pictures.style.setProperty("--zoom", view.scale);
    pictures.style.setProperty("--x", `${view.x * 100}%`);
    pictures.style.setProperty("--y", `${view.y * 100}%`);
    pictures.toggleAttribute("data-zoomed", view.scale > 1);
  }

  /** Zoom by a factor so that the point of the frame stays where it is. */
  function zoom(factor, frame, point) {
    const scale = Math.min(LARGEST, Math.max(1, view.scale * factor));
    const [dx, dy] = point ? fromMiddle(frame, point) : [0, 0];
    view.x = dx - ((dx - view.x) * scale) / view.scale;
    view.y = dy - ((dy - view.y) * scale) / view.scale;
    view.scale = scale;
    apply();
  }

  function move(frame, right, down) {
    const { width, height } = sizeOf(frame);
    view.x += right / width;
    view.y += down / height;
    apply();
  }

  const fit = () => zoom(0, frames[0]);
  for (const frame of frames) {
    enableWheel(frame, view, zoom);
    enableFingers(frame, view, { zoom, move });
    frame.addEventListener("dblclick", (event) => (view.scale > 1 ? fit() : zoom(4, frame, event)));
    frame.addEventListener("keydown", (event) => {
      const { width, height } = frame.getBoundingClientRect();
      const arrow = view.scale > 1 && ARROWS[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "+" || event.key === "=") zoom(STEP, frame);
      else if (event.key === "-") zoom(1 / STEP, frame);
      else if (event.key === "0") fit();
      else if (arrow) move(frame, (arrow[0] * width) / 8, (arrow[1] * height) / 8);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
  const acts = { in: () => zoom(STEP, frames[0]), out: () => zoom(1 / STEP, frames[0]), fit };
  for (const button of pictures.querySelectorAll("[data-zoom]")) button.addEventListener("click", acts[button.dataset.zoom]);
}

/** The picture's size in the frame before it is zoomed. */
function sizeOf(frame) {
  const layers = frame.querySelector(".layers");
  return { width: Math.max(1, layers.offsetWidth), height: Math.max(1, layers.offsetHeight) };
}

function fromMiddle(frame, { clientX, clientY }) {
  const box = frame.getBoundingClientRect();
  const { width, height } = sizeOf(frame);
  return [(clientX - box.left - box.width / 2) / width, (clientY - box.top - box.height / 2) / height];
}

function enableWheel(frame, view, zoom) {
  frame.addEventListener(
    "wheel",
    (event) => {
      const isPinch = event.ctrlKey; // so browsers report two fingers on a touchpad
      if (!isPinch && (performance.now() - scrolled < STILL_SCROLLING || (view.scale === 1 && event.deltaY > 0))) return;
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
      zoom(Math.exp((-event.deltaY * lines) / (isPinch ? 100 : 400)), frame, event);
    },
    { passive: false },
  );
}

function enableFingers(frame, view, { zoom, move }) {
  const fingers = new Map();
  const middle = () => {
    const all = [...fingers.values()];
    const mean = (key) => all.reduce((sum, each) => sum + each[key], 0) / all.length;
    return { clientX: mean("clientX"), clientY: mean("clientY") };
  };
  const spread = () => {
    const [one, other] = [...fingers.values()];
    return other ? Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) : 0;
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    fingers.set(event.pointerId, event);
    if (view.scale > 1 || event.pointerType === "mouse") frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const [before, width] = [middle(), spread()];
    fingers.set(event.pointerId, event);
    const after = middle();
    if (view.scale > 1) move(frame, after.clientX - before.clientX, after.clientY - before.clientY);
    if (width > 0) zoom(spread() / width, frame, after);
  });
  for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, (event) => fingers.delete(event.pointerId));
  // Two fingers zoom the picture, not the page; one finger scrolls the page as long as nothing is zoomed.
  frame.addEventListener("touchmove", (event) => (event.touches.length > 1 || view.scale > 1) && event.preventDefault(), { passive: false });
}
