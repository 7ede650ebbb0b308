// In which order the table shows its images, and which of them.

const UNRATED = -1; // a level that means nothing is no low one: such rows follow the rated ones
export const levelOf = (image) => (image.answer.risk.reliable === false ? "unreliable" : image.answer.risk.level);

const KEYS = {
  name: (image) => image.name.toLowerCase(),
  risk: (image) => (image.answer && levelOf(image) !== "unreliable" ? image.answer.risk.malignant_probability : image.answer ? UNRATED : null),
  class: (image, words) => (image.answer ? words.names[image.answer.prediction.class] : null),
  // Those not to be relied on first, then by how many warnings there are.
  warning: (image) => (image.answer ? 100 * (levelOf(image) === "unreliable") + warningsOf(image).length : null),
};
const FIRST = { name: "ascending", class: "ascending", risk: "descending", warning: "descending" };

/** What outlives the table's element: the order, the filter, and how far it was scrolled. */
export const newArrangement = () => ({ key: null, order: null, filter: { risk: "", warning: "", class: "" }, scroll: 0 });

/** The first press sorts numbers from high to low and words from A to Z, the next one the other way round. */
export function press(arrangement, key) {
  const other = FIRST[key] === "ascending" ? "descending" : "ascending";
  arrangement.order = arrangement.key === key && arrangement.order === FIRST[key] ? other : FIRST[key];
  arrangement.key = key;
}

/** The images in the table's order; what has no answer yet stands at the end, whatever the direction. */
export function sorted(images, { key, order }, words) {
  if (!key) return [...images];
  const sign = order === "ascending" ? 1 : -1;
  const keyed = images.map((image) => [KEYS[key](image, words), image]);
  keyed.sort(([one], [other]) => {
    for (const last of [null, UNRATED]) if (one === last || other === last) return (one === last) - (other === last);
    return typeof one === "string" ? sign * one.localeCompare(other, document.documentElement.lang, { numeric: true }) : sign * (one - other);
  });
  return keyed.map(([, image]) => image);
}

/** Whether the filter lets an image pass; without an answer it passes only where nothing is filtered. */
export function passes(image, { risk, warning, class: code }) {
  if (!image.answer) return !risk && !warning && !code;
  const warnings = warningsOf(image);
  const warned = { "": true, any: warnings.length > 0, none: warnings.length === 0 }[warning] ?? warnings.includes(warning);
  return warned && (!risk || risk === levelOf(image)) && (!code || code === image.answer.prediction.class);
}

export const warningsOf = (image) => (image.answer?.warnings ?? []).map((warning) => warning.code);
