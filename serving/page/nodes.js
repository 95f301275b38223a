// Making and finding what is on the page; every text goes in as text, never as HTML.

export const $ = (selector, within = document) => within.querySelector(selector);

export function make(name, about = {}, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(about)) if (value !== undefined) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}

export function draw(name, about = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(about)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}
