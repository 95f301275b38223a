// The page that tries a decision. No framework, nothing from elsewhere; every text goes in as text, never as HTML.
"use strict";

const SHOWN = 15; // contents in a chart
const DAY = 24 * 3600 * 1000;
const MOVED = 8; // parts of a prediction told one by one
const BY = { model: "The model chose", safe_default: "The safe default is", schedule: "The standard schedule gives" };

const $ = (selector, within = document) => within.querySelector(selector);
let token = "";
let therapy = null;

function make(name, about = {}, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(about)) if (value !== undefined) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}

function draw(name, about = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(about)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

// --- asking the service -----------------------------------------------------------------------------------------

async function ask(path, body) {
  const headers = { Authorization: `Bearer ${token}` };
  if (body) headers["Content-Type"] = "application/json";
  const sent = { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) };
  const told = await fetch(path, sent).catch(() => refuse("the service does not answer"));
  const answer = await told.json().catch(() => ({}));
  if (!told.ok) refuse(answer.error?.message || `status ${told.status}`, answer.error?.field);
  return answer;
}

function refuse(message, field) {
  throw Object.assign(new Error(message), { field });
}

function trouble(error) {
  const box = $("#trouble");
  box.hidden = !error;
  box.textContent = error ? [error.field, error.message].filter(Boolean).join(": ") : "";
  for (const marked of document.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
  const place = error?.field && [...document.querySelectorAll("[data-kind]")].find((one) => pathOf(one) === error.field);
  if (place) {
    mark(place);
  }
}

function mark(place) {
  place.setAttribute("aria-invalid", "true");
  place.focus();
}

// --- the form, as the therapy declares it ----------------------------------------------------------------------

let fieldCount = 0;

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
    return make("select", common, ...["", ...values].map((value) => make("option", { value }, value)));
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

// --- what was filled in ------------------------------------------------------------------------------------------

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

function pathOf(node) {
  for (const list of ["measurements", "sessions"]) {
    const place = entriesOf(list).findIndex((entry) => entry.contains(node));
    if (place >= 0) return `${list}[${place}].${node.name}`;
  }
  return [node.closest("fieldset").id, node.name].filter(Boolean).join(".");
}

function requestBody() {
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

// --- a random example --------------------------------------------------------------------------------------------

const oneOf = (values) => values[Math.floor(Math.random() * values.length)];

function randomValue(column) {
  if (column.kind === "number") {
    const low = column.minimum ?? 0;
    const high = column.maximum ?? low + 10;
    const value = low + Math.random() * (high - low);
    return high - low > 5 ? Math.round(value) : Math.round(value * 100) / 100;
  }
  if (column.kind === "category") return oneOf(column.values);
  return column.kind === "boolean" ? Math.random() < 0.5 : undefined;
}

const randomValues = (columns = {}) =>
  Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, randomValue(column)]));

function randomExample() {
  build();
  fill($("#user"), randomValues(therapy.user));
  fill($("#context"), randomValues(therapy.context));
  const now = Date.now();
  if (therapy.status) {
    const score = randomValue({ kind: "number", ...therapy.status });
    for (const days of [20, 6]) addEntry($("#measurements"), measurementFields, { measured_at: now - days * DAY, score });
  }
  for (const days of [4, 3, 2, 1]) {
    const decided_at = now - days * DAY;
    addEntry($("#sessions"), sessionFields, {
      decided_at,
      content_id: oneOf(therapy.catalogue).content_id,
      feedback_at: decided_at + DAY / 24,
      ...randomValues(therapy.context),
      ...randomValues(therapy.feedback?.columns),
    });
  }
  trouble(null);
}

// --- the answer ---------------------------------------------------------------------------------------------------

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const short = (number) => Number(number.toPrecision(3)).toString();
const interval = (told) => (told ? `${short(told.mean)} (${short(told.low)} to ${short(told.high)})` : "–");

const explained = (codes, because) => codes.map((code) => [code, because[code]].filter(Boolean).join(": ")).join("; ");

function show(body, answer) {
  const chosen = make("b", {}, answer.content_id);
  $("#choice").replaceChildren(`${BY[answer.source]} `, chosen, ` with a chance of ${percent(answer.probability)}.`);
  $("#why").textContent = [
    answer.reasons.length ? `Reasons: ${explained(answer.reasons, answer.because)}.` : "",
    `Release ${answer.release}, seed ${answer.seed}.`,
  ].filter(Boolean).join(" ");
  $("#message").hidden = !answer.message;
  $("#message q").textContent = answer.message;
  showCharts(answer);
  showRanking(answer);
  showBlocked(answer);
  showContributions(answer.explanation || {});
  const again = { ...body, seed: answer.seed };
  $("#request").textContent = JSON.stringify(again, null, 2);
  $("#raw").textContent = JSON.stringify(answer, null, 2);
  $("#curl").textContent = curlOf(again);
  $("#copied").textContent = "";
  $("#details").hidden = false;
}

function curlOf(body) {
  const quoted = JSON.stringify(body).replaceAll("'", "'\\''");
  const address = new URL("v1/rank", location.href);
  return `curl -s '${address}' -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '${quoted}'`;
}

function showRanking(answer) {
  const has = ["feedback", "status"].filter((kind) => answer.ranking.some((row) => row[kind]));
  const names = { feedback: "feedback F", status: therapy.status ? `final ${therapy.status.instrument}` : "status" };
  const heads = ["content", "chance", ...has.map((kind) => names[kind])];
  $("#ranking thead tr").replaceChildren(...heads.map((text) => make("th", { scope: "col" }, text)));
  const rows = answer.ranking.filter((row) => row.eligible).map((row) => {
    const is = row.content_id === answer.content_id ? { class: "chosen", "aria-current": "true" } : {};
    const chance = make("td", {}, bar(row.probability), percent(row.probability));
    const head = make("th", { scope: "row" }, row.content_id);
    return make("tr", is, head, chance, ...has.map((kind) => make("td", {}, interval(row[kind]))));
  });
  $("#ranking tbody").replaceChildren(...rows);
}

function bar(share) {
  const svg = draw("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(draw("rect", { width: 100 * share, height: 10, class: "mean" }));
  return svg;
}

function showBlocked({ ranking, because }) {
  const rows = ranking.filter((row) => !row.eligible);
  const told = rows.map((row) => make("li", {}, make("b", {}, row.content_id), ` ${explained(row.reasons, because)}`));
  $("#blocked").hidden = rows.length === 0;
  $("#blocked ul").replaceChildren(...told);
}

function showCharts(answer) {
  const kinds = [
    ["feedback", "Expected feedback F, with its interval"],
    ["status", therapy.status ? `Expected final ${therapy.status.instrument} (${therapy.status.better} is better)` : ""],
  ];
  const figures = kinds.map(([kind, title]) => {
    const rows = answer.ranking.filter((row) => row.eligible && row[kind]).slice(0, SHOWN);
    return rows.length ? make("figure", {}, make("figcaption", {}, title), chart(kind, rows, answer.content_id)) : "";
  });
  $("#charts").replaceChildren(...figures);
}

function chart(kind, rows, chosen) {
  const [width, left, right, line] = [560, 150, 16, 26];
  const height = rows.length * line + 26;
  const low = Math.min(...rows.map((row) => row[kind].low));
  const high = Math.max(...rows.map((row) => row[kind].high));
  const at = (value) => left + ((value - low) / (high - low || 1)) * (width - left - right);
  const told = rows.map((row) => `${row.content_id} ${interval(row[kind])}`).join("; ");
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: kind, "aria-label": told });
  for (const end of [low, (low + high) / 2, high]) {
    svg.append(draw("line", { x1: at(end), x2: at(end), y1: 0, y2: height - 20, class: "axis" }));
    const anchor = end === low ? "start" : end === high ? "end" : "middle";
    svg.append(draw("text", { x: at(end), y: height - 5, "text-anchor": anchor, class: "dim" }, short(end)));
  }
  const group = draw("g", { class: kind });
  rows.forEach((row, place) => {
    const y = place * line + line / 2;
    const { mean, low: from, high: to } = row[kind];
    if (row.content_id === chosen) svg.prepend(draw("rect", { x: 0, y: y - line / 2, width, height: line, class: "chosen" }));
    group.append(draw("text", { x: 6, y: y + 5 }, row.content_id.length > 18 ? `${row.content_id.slice(0, 17)}…` : row.content_id));
    group.append(draw("line", { x1: at(from), x2: at(to), y1: y, y2: y, class: "interval" }));
    group.append(draw("circle", { cx: at(mean), cy: y, r: 5, class: "mean" }));
  });
  svg.append(group);
  return svg;
}

function showContributions(explanation) {
  const names = { feedback: "Feedback F", status: therapy.status ? `Final ${therapy.status.instrument}` : "Status" };
  const tables = Object.keys(names).filter((kind) => explanation[kind]).map((kind) => parts(names[kind], explanation[kind]));
  $("#contributions").hidden = tables.length === 0;
  $("#contributions div").replaceChildren(...tables);
}

function parts(caption, contributions) {
  const [moved, usual] = [contributions.slice(0, -1), contributions.at(-1)];
  const rest = moved.slice(MOVED).reduce((sum, part) => sum + part.adds, 0);
  const others = moved.length > MOVED ? [{ name: `${moved.length - MOVED} others`, adds: rest }] : [];
  const rows = [...moved.slice(0, MOVED), ...others, usual].map(({ name, adds }) =>
    make("tr", {}, make("th", { scope: "row" }, name.replaceAll("_", " ")), make("td", {}, (adds > 0 ? "+" : "") + short(adds))));
  return make("table", {}, make("caption", {}, caption), make("tbody", {}, ...rows));
}

// --- what is pressed ----------------------------------------------------------------------------------------------

async function open() {
  try {
    token = $("#token").value.trim();
    therapy = await ask("v1/therapy");
    $("#served").textContent = `${therapy.title}. `;
    randomExample();
    $("#work").hidden = false;
  } catch (error) {
    $("#work").hidden = true;
    trouble(error);
    mark($("#token"));
  }
}

async function decide() {
  try {
    const body = requestBody();
    const answer = await ask("v1/rank", body);
    trouble(null);
    show(body, answer);
    $("#answer").scrollIntoView({ block: "nearest" });
  } catch (error) {
    trouble(error);
  }
}

async function copy() {
  try {
    await navigator.clipboard.writeText($("#curl").textContent);
    $("#copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren($("#curl")); // no clipboard without TLS
    $("#copied").textContent = "Selected; copy it with the keyboard.";
  }
}

function whenSent(form, action) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

function tokenOfAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token"); // after #, so it never reaches a server
  if (!given) return;
  history.replaceState(null, "", location.pathname);
  $("#token").value = given;
  open();
}

whenSent("#access", open);
whenSent("#patient", decide);
$("#example").addEventListener("click", randomExample);
$("#measurements .add").addEventListener("click", () => addEntry($("#measurements"), measurementFields));
$("#sessions .add").addEventListener("click", () => addEntry($("#sessions"), sessionFields));
$("#copy").addEventListener("click", copy);
tokenOfAddress();
