// Thumbnails, drawn one after another when they come into sight, or all before a table is printed.

let last = Promise.resolve();

const watched = new WeakMap();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) begin(target);
  },
  { rootMargin: "400px" },
);

/** @param {HTMLCanvasElement} canvas @param {File} file */
export function drawInSight(canvas, file) {
  watched.set(canvas, file);
  observer.observe(canvas);
}

/** Those that have not been in sight. @param {Iterable<HTMLCanvasElement>} canvases @returns {Promise<void>} */
export function drawAll(canvases) {
  for (const canvas of canvases) begin(canvas);
  return last;
}

function begin(canvas) {
  const file = watched.get(canvas);
  if (!file) return; // begun already
  watched.delete(canvas);
  observer.unobserve(canvas);
  last = last.then(() => draw(canvas, file));
}

async function draw(canvas, file) {
  try {
    const image = await createImageBitmap(file, { resizeWidth: canvas.width * 2, resizeQuality: "medium" });
    const side = Math.min(image.width, image.height);
    const from = [(image.width - side) / 2, (image.height - side) / 2, side, side];
    canvas.getContext("2d").drawImage(image, ...from, 0, 0, canvas.width, canvas.height);
    image.close();
  } catch {
    canvas.classList.add("blank"); // the browser cannot draw the format
  }
}
