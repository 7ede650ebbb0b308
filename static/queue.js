// Works through the images that nobody has opened: a few requests at a time, until it is told to pause.
import { ask } from "./asking.js";
import { isWaiting } from "./gallery.js";

const AT_ONCE = 2; // the model answers one after another anyway
const REMEMBERED = 20; // answers from which the time left is estimated

export class Queue {
  paused = false;
  #gallery;
  #options;
  #running = 0;
  #ends = [];

  /** @param {import("./gallery.js").Gallery} gallery @param {{views: () => string, limit: () => number}} options */
  constructor(gallery, options) {
    this.#gallery = gallery;
    this.#options = options;
  }

  wake() {
    while (!this.paused && this.#running < AT_ONCE) {
      const image = this.#gallery.images.find(isWaiting);
      if (!image) return;
      this.#work(image);
    }
  }

  /** What is running still ends. */
  pause(paused) {
    this.paused = paused;
    this.#ends = [];
    this.wake();
  }

  /** Seconds until the rest is done, at the pace of the last answers; null as long as nobody knows. */
  secondsLeft() {
    const rest = this.#gallery.images.filter((image) => !image.answer && !image.problem).length;
    if (this.paused || this.#ends.length < 3) return null;
    return (rest * (this.#ends.at(-1) - this.#ends[0])) / (this.#ends.length - 1) / 1000;
  }

  async #work(image) {
    this.#running += 1;
    const work = new AbortController();
    image.work = work;
    const views = this.#options.views();
    const answer = refuse(image.file, this.#options.limit()) ?? (await ask(image.file, views, work.signal));
    this.#running -= 1;
    if (!work.signal.aborted) {
      Object.assign(image, answer, { views, work: undefined });
      this.#ends = [...this.#ends, Date.now()].slice(-REMEMBERED);
      this.#gallery.changed(image);
    }
    this.wake();
  }
}

/** What need not be sent. @returns {{problem: string} | undefined} */
export function refuse(file, limit) {
  if (file.size === 0) return { problem: "empty-file" };
  return file.size > limit ? { problem: "body-too-large" } : undefined;
}
