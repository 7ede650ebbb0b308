// The table of several images as a file.

const CLASSES = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"];
const COLUMNS = [
  ...["file", "class", "probability", "confidence", "measured_accuracy", "risk", "malignant_probability", "reliable"],
  ...CLASSES,
  ...["warnings", "views", "model", "version", "request_id", "problem"],
];

/**
 * With a header and a byte order mark. Where numbers have a decimal comma, semicolons separate the fields, as spreadsheets
 * expect there. A file's name is never taken for a formula.
 */
export function toCsv(images) {
  const comma = (1.5).toLocaleString(document.documentElement.lang).includes(",");
  const write = (value) => (typeof value === "number" && comma ? String(value).replace(".", ",") : String(value ?? ""));
  const lines = images.map(({ name, answer, views, problem }) => {
    const { prediction, risk, probabilities, warnings, model, request_id } = answer ?? {};
    return [
      /^[=+\-@\t\r]/.test(name) ? `'${name}` : name,
      ...[prediction?.class, prediction?.probability, prediction?.confidence, prediction?.measured_accuracy],
      ...[risk?.level, risk?.malignant_probability, risk?.reliable],
      ...CLASSES.map((code) => probabilities?.[code]),
      warnings?.map((warning) => warning.code).join(" "),
      ...[answer && Number(views), model?.name, model?.version, request_id, problem],
    ];
  });
  const separator = comma ? ";" : ",";
  const rows = [COLUMNS, ...lines].map((line) => line.map((value) => quote(write(value))).join(separator));
  return `\ufeff${rows.join("\r\n")}\r\n`;
}

/** The API's answers in the page's language, each with its file's name and the number of views. */
export function toJson(images, words) {
  const entries = images.map(({ name, answer, views, problem }) => ({ file: name, ...(answer ? { views: Number(views), ...translated(answer, words) } : { problem }) }));
  return JSON.stringify(entries, null, 1);
}

/** The language of the page may have changed since the API was asked. */
function translated(answer, { names, messages, disclaimer }) {
  const { prediction, warnings } = answer;
  return {
    ...answer,
    prediction: { ...prediction, name: names[prediction.class] },
    warnings: warnings.map(({ code, message }) => ({ code, message: messages[code] ?? message })),
    ...(answer.disclaimer && { disclaimer }),
  };
}

/** @param {string | Blob} content @param {string} name */
export function download(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Also around the separators of other languages: no part of a name may begin a cell.
const quote = (text) => (/[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
