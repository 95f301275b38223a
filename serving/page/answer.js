// The answer: the choice, how every content stood, and why.

import { $, draw, make } from "./nodes.js";

const SHOWN = 15; // contents in a chart
const MOVED = 8; // parts of a prediction told one by one
const BY = { model: "The model chose", safe_default: "The safe default is", schedule: "The standard schedule gives" };
let therapy = null;

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const short = (number) => Number(number.toPrecision(3)).toString();
const interval = (told) => (told ? `${short(told.mean)} (${short(told.low)} to ${short(told.high)})` : "–");

const explained = (codes, because) => codes.map((code) => [code, because[code]].filter(Boolean).join(": ")).join("; ");

export function show(body, answer, declared) {
  therapy = declared;
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
    return rows.length ? make("figure", { tabindex: 0 }, make("figcaption", {}, title), chart(kind, rows, answer.content_id)) : "";
  });
  $("#charts").replaceChildren(...figures);
}

function chart(kind, rows, chosen) {
  const [width, left, right, line] = [680, 250, 16, 26];
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
    group.append(draw("text", { x: 6, y: y + 5 }, row.content_id.length > 32 ? `${row.content_id.slice(0, 31)}…` : row.content_id));
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
