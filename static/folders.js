// The files of a drop or of a chosen folder, with their paths; folders are read to the bottom, and only images are kept.

const IMAGE = /\.(jpe?g|png|webp|bmp|tiff?|heic|heif|avif|dcm)$/i;

/** @typedef {{files: {file: File, name: string}[], skipped: number}} Choice */

/** Files that were chosen one by one: whatever they are, their reader meant them. @returns {Choice} */
export function filesOf(list) {
  return { files: [...list].map((file) => ({ file, name: file.name })), skipped: 0 };
}

/** A folder that was chosen. @returns {Choice} */
export function folderOf(list) {
  const found = imagesOf([...list].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
  return list.length === 0 ? { ...found, skipped: 1 } : found; // as an empty folder that is dropped
}

/** What was dropped: files as they are, and the images of folders. @returns {Promise<Choice>} */
export async function droppedOf(transfer) {
  // The list is empty after the first pause; all entries are taken before it.
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.());
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry?.isDirectory)) return filesOf(plain);
  const found = { files: [], skipped: 0 };
  for (const [number, entry] of entries.entries()) {
    const part = entry?.isDirectory ? imagesOf(await read(entry)) : filesOf([plain[number]]);
    found.files.push(...part.files);
    found.skipped += part.skipped;
  }
  if (found.files.length === 0) found.skipped ||= entries.length; // empty folders: nothing of what was dropped is an image
  return found;
}

function imagesOf(files) {
  const images = files.filter(({ file, name }) => file && !name.split("/").at(-1).startsWith(".") && (file.type.startsWith("image/") || IMAGE.test(name)));
  images.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return { files: images, skipped: files.length - images.length };
}

/** What cannot be read, a file or the rest of a folder, has null for its file. */
async function read(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    return [{ file, name: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve(null))); // at most a hundred at once
    if (some === null) return [...files, { file: null, name: entry.name }];
    if (some.length === 0) return files;
    for (const each of some) files.push(...(await read(each)));
  }
}
