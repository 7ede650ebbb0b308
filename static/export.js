// The table of several images as a file.

const CLASSES = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"];
const COLUMNS = ["file", "class", "probability", "confidence", "risk", "malignant_probability", ...CLASSES];
const MORE = ["warnings", "model", "version", "request_id", "problem"];

/** Comma-separated, with a header; a spreadsheet must not take a file's name for a formula. */
export function toCsv(rows) {
  const lines = rows.map((row) => {
    const { prediction, risk, probabilities, warnings, model, request_id } = row.answer ?? {};
    return [
      safe(row.name),
      prediction?.class,
      prediction?.probability,
      prediction?.confidence,
      risk?.level,
      risk?.malignant_probability,
      ...CLASSES.map((code) => probabilities?.[code]),
      warnings?.map((warning) => warning.code).join(" "),
      model?.name,
      model?.version,
      request_id,
      row.problem,
    ];
  });
  return [[...COLUMNS, ...MORE], ...lines].map((line) => line.map(quote).join(",")).join("\r\n") + "\r\n";
}

/** The API's answers, each with its file's name. */
export function toJson(rows) {
  return JSON.stringify(rows.map(({ name, answer, problem }) => ({ file: name, ...(answer ?? { problem }) })), null, 1);
}

export function download(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function safe(name) {
  return /^[=+\-@\t\r]/.test(name) ? `'${name}` : name;
}

function quote(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
