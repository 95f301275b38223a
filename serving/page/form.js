// The form, as the therapy declares it: built, filled by chance, read.

import { refuse } from "./asking.js";
import { $, make } from "./nodes.js";

const DAY = 24 * 3600 * 1000;
let therapy = null;
let fieldCount = 0;

export function formFor(declared) {
  therapy = declared;
  randomExample();
}

function field(name, column, about = {}) {
  const id = `field-${(fieldCount += 1)}`;
  const range = [column.minimum, column.maximum].some((end) => end !== undefined)
    ? `${column.minimum ?? "…"} to ${column.maximum ?? "…"}`
    : "";
  const hint = [range, column.unit].filter(Boolean).join(" ");
  const label = make("label", { for: id }, name.replaceAll("_", " "), " ", make("span", { class: "hint" }, hint));
  return make("div", { class: "field" }, label, input(id, name, column, about));
}

function input(id, name, column, about) {
  const common = { id, name, "data-kind": column.kind, ...about };
  if (column.kind === "category" || column.kind === "boolean") {
    const values = column.values || ["true", "false"];
    const said = { true: "yes", false: "no", ...Object.fromEntries((column.values || []).map((value) => [value, value])) };
    return make("select", common, ...["", ...values].map((value) => make("option", { value }, said[value] ?? "")));
  }
  if (column.kind === "number") {
    return make("input", { ...common, type: "number", step: "any", min: column.minimum, max: column.maximum });
  }
  const lists = { embedding: "numbers, with commas", series: "numbers, with commas" };
  const type = column.kind === "time" ? "datetime-local" : "text";
  return make("input", { ...common, type, placeholder: lists[column.kind], autocomplete: "off" });
}

const fieldsOf = (columns = {}) => Object.entries(columns).map(([name, column]) => field(name, column));

const measurementFields = () => [
  field("measured_at", { kind: "time" }, { required: "" }),
  field("score", { kind: "number", ...therapy.status, unit: therapy.status.instrument }, { required: "" }),
];

const sessionFields = () => [
  field("decided_at", { kind: "time" }, { required: "" }),
  field("content_id", { kind: "category", values: therapy.catalogue.map((row) => row.content_id) }, { required: "" }),
  ...fieldsOf(therapy.context),
  ...(therapy.feedback ? [field("feedback_at", { kind: "time" }), ...fieldsOf(therapy.feedback.columns)] : []),
];

export const addMeasurement = (values) => addEntry($("#measurements"), measurementFields, values);
export const addSession = (values) => addEntry($("#sessions"), sessionFields, values);

function addEntry(list, fields, values = {}) {
  const remove = make("button", { type: "button", class: "quiet" }, "Remove");
  const entry = make("div", { class: "entry", role: "group" }, make("div", { class: "fields" }, ...fields()), remove);
  remove.addEventListener("click", () => {
    entry.remove();
    nameEntries(list);
    $(".add", list).focus();
  });
  $(".rows", list).append(entry);
  nameEntries(list);
  fill(entry, values);
  return entry;
}

function nameEntries(list) { // what a screen reader says of each
  list.querySelectorAll(".entry").forEach((entry, place) => {
    const name = `${list.dataset.one} ${place + 1}`;
    entry.setAttribute("aria-label", name);
    $("button", entry).setAttribute("aria-label", `Remove ${name}`);
  });
}

function fill(within, values) {
  for (const node of within.querySelectorAll("[data-kind]")) {
    const value = values[node.name];
    node.value = value === undefined || value === null ? "" : node.dataset.kind === "time" ? local(value) : String(value);
  }
}

const local = (time) => new Date(time - new Date(time).getTimezoneOffset() * 60000).toISOString().slice(0, 16);

function build() {
  document.title = `${therapy.title}: try a decision`;
  $("#user").replaceChildren($("#user legend"), ...fieldsOf(therapy.user));
  $("#context").replaceChildren($("#context legend"), ...fieldsOf(therapy.context));
  for (const name of ["user", "context"]) $(`#${name}`).hidden = !Object.keys(therapy[name] || {}).length;
  $("#measurements").hidden = !therapy.status;
  for (const list of ["measurements", "sessions"]) $(`#${list} .rows`).replaceChildren();
}

function valueOf(node) {
  const text = node.value.trim();
  if (node.validity.badInput) refuse("expected a whole value or none", pathOf(node)); // the browser gives no text then
  if (text === "") return undefined;
  switch (node.dataset.kind) {
    case "number": return Number(text);
    case "boolean": return text === "true";
    case "time": return new Date(text).toISOString();
    case "embedding": case "series": return text.split(",").map((item) => (item.trim() ? numberOf(item, node) : null));
    default: return text;
  }
}

function numberOf(text, node) {
  const number = Number(text);
  return Number.isFinite(number) ? number : refuse("expected numbers, with commas", pathOf(node));
}

function valuesIn(within) {
  const nodes = [...within.querySelectorAll("[data-kind]")];
  return Object.fromEntries(nodes.map((node) => [node.name, valueOf(node)]).filter(([, value]) => value !== undefined));
}

const entriesOf = (list) => [...document.querySelectorAll(`#${list} .entry`)];

export function pathOf(node) {
  for (const list of ["measurements", "sessions"]) {
    const place = entriesOf(list).findIndex((entry) => entry.contains(node));
    if (place >= 0) return `${list}[${place}].${node.name}`;
  }
  return [node.closest("fieldset").id, node.name].filter(Boolean).join(".");
}

export function filledIn() {
  const instrument = therapy.status && therapy.status.instrument;
  const seed = valueOf($("#seed"));
  return {
    user: valuesIn($("#user")),
    measurements: entriesOf("measurements").map((entry) => ({ instrument, ...valuesIn(entry) })),
    sessions: entriesOf("sessions").map(valuesIn),
    context: valuesIn($("#context")),
    decided_at: new Date().toISOString(),
    explain: true,
    ...(seed === undefined ? {} : { seed }),
  };
}

const oneOf = (values) => values[Math.floor(Math.random() * values.length)];

function randomValue(column) {
  if (column.kind === "number") {
    const low = column.minimum ?? 0;
    const high = column.maximum ?? low + 10;
    const middling = (Math.random() + Math.random() + Math.random()) / 3; // nobody sleeps 0 hours, or 24
    const value = low + middling * (high - low);
    return high - low > 3 ? Math.round(value) : Math.round(value * 100) / 100;
  }
  if (column.kind === "category") return oneOf(column.values);
  return column.kind === "boolean" ? Math.random() < 0.5 : undefined;
}

const randomValues = (columns = {}) =>
  Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, randomValue(column)]));

export function randomExample() {
  build();
  fill($("#user"), randomValues(therapy.user));
  fill($("#context"), randomValues(therapy.context));
  const now = Date.now();
  if (therapy.status) {
    const score = randomValue({ kind: "number", ...therapy.status });
    for (const days of [20, 6]) addMeasurement({ measured_at: now - days * DAY, score });
  }
  for (const days of [4, 3, 2, 1]) {
    const decided_at = now - days * DAY;
    addSession({
      decided_at,
      content_id: oneOf(therapy.catalogue).content_id,
      feedback_at: decided_at + DAY / 24,
      ...randomValues(therapy.context),
      ...randomValues(therapy.feedback?.columns),
    });
  }
}
