// The page that tries a decision: what is pressed, and what went wrong. No framework, nothing from elsewhere.

import { show } from "./answer.js";
import { ask } from "./asking.js";
import { addMeasurement, addSession, filledIn, formFor, pathOf, randomExample } from "./form.js";
import { $ } from "./nodes.js";

let token = "";
let therapy = null;

function trouble(error) {
  const box = $("#trouble");
  box.hidden = !error;
  box.textContent = error ? [error.field, error.message].filter(Boolean).join(": ") : "";
  for (const marked of document.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
  const place = error?.field && [...document.querySelectorAll("[data-kind]")].find((one) => pathOf(one) === error.field);
  if (place) mark(place);
}

function mark(place) {
  place.setAttribute("aria-invalid", "true");
  place.focus();
}

async function open() {
  try {
    token = $("#token").value.trim();
    therapy = await ask(token, "v1/therapy");
    $("#served").textContent = `${therapy.title}. `;
    formFor(therapy);
    trouble(null);
    $("#work").hidden = false;
  } catch (error) {
    $("#work").hidden = true;
    trouble(error);
    mark($("#token"));
  }
}

async function decide() {
  try {
    const body = filledIn();
    const answer = await ask(token, "v1/rank", body);
    trouble(null);
    show(body, answer, therapy);
    $("#answer").scrollIntoView({ block: "start" });
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
$("#example").addEventListener("click", () => {
  randomExample();
  trouble(null);
});
$("#measurements .add").addEventListener("click", () => addMeasurement());
$("#sessions .add").addEventListener("click", () => addSession());
$("#copy").addEventListener("click", copy);
tokenOfAddress();
