// The images of this page in the order in which they came, and what is known of each. Nothing leaves but by its reader.

/**
 * An image: `answer` is the body of /predict, `problem` the last part of a problem's type, `outcome` what /result gave,
 * `views` with how many views it was answered, `work` what is being done for it, `alone` that it was chosen by itself,
 * `address` shows the file itself, `example` its name at the server.
 * @typedef {{id: number, file: File, name: string, answer?: object, problem?: string, outcome?: object, views?: string,
 *   work?: AbortController, uploading?: boolean, alone?: boolean, address: string, choice?: object,
 *   example?: string}} Item
 */

export class Gallery extends EventTarget {
  /** @type {Item[]} */
  images = [];
  skipped = 0; // files of folders that are no images
  #last = 0;

  /** @param {{file: File, name: string, example?: string}[]} files @returns {Item[]} */
  add(files) {
    const added = files.map((each) => ({ ...each, id: (this.#last += 1), address: URL.createObjectURL(each.file) }));
    this.images.push(...added);
    return added;
  }

  find(id) {
    return this.images.find((image) => image.id === id);
  }

  remove(image) {
    URL.revokeObjectURL(image.address);
    this.images = this.images.filter((each) => each !== image);
  }

  /** Tell whoever shows it that an image has changed. */
  changed(image) {
    this.dispatchEvent(new CustomEvent("change", { detail: image }));
  }
}

/** Whether nothing is known of the image and nothing is being done for it. */
export const isWaiting = (image) => !image.answer && !image.problem && !image.work;
