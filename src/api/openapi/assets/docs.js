// Shows openapi.json: operations by group, what each reads and answers, examples, and a call to copy.
// Everything from the document becomes text, never markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST = 3;
let description = {};

/** An element with attributes and children; texts become text. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** Text whose parts between backticks are code. */
function said(text) {
  return (text ?? "").split("`").map((part, index) => (index % 2 === 1 ? el("code", {}, part) : part));
}

/** What `value` refers to, or itself. */
function resolve(value) {
  if (!value || !value.$ref) return value ?? {};
  const parts = value.$ref.slice(2).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  return { ...parts.reduce((at, part) => at?.[part], description), ...value, $ref: undefined };
}

/** The alternatives of a schema without null, and whether null is one. */
function alternatives(schema) {
  const all = schema.anyOf ?? schema.oneOf ?? [];
  return { options: all.filter((one) => one.type !== "null"), nullable: all.some((one) => one.type === "null") };
}

/** A schema in a few words. */
function typeWords(given) {
  const schema = resolve(given);
  if (schema === true) return "anything";
  const { options, nullable } = alternatives(schema);
  if (options.length > 0) return options.map(typeWords).concat(nullable ? "null" : []).join(" or ");
  const types = [schema.type ?? "anything"].flat();
  const words = types.map((type) => {
    if (type === "array") return `list of ${typeWords(schema.items ?? true)}`;
    if (type === "string") return schema.enum ? "one of these" : { uuid: "id", "date-time": "time" }[schema.format] ?? "text";
    if (type === "object" && schema.additionalProperties?.type === "string") return "object of texts";
    return type;
  });
  return words.join(" or ");
}

/** What limits a value, in words. */
function limits(given) {
  const schema = resolve(given);
  const range = (least, most, of) => {
    if (least === undefined && most === undefined) return undefined;
    if (least === most) return `${most}${of}`;
    if (most === undefined) return least > 0 ? `at least ${least}${of}` : undefined;
    return least === undefined || least === 0 ? `at most ${most}${of}` : `${least} to ${most}${of}`;
  };
  const words = (schema.enum ?? []).filter((word) => word !== null);
  return [
    words.length > 0 ? words.join(", ") : undefined,
    range(schema.minimum, schema.maximum, ""),
    range(schema.minLength, schema.maxLength, " characters"),
    range(schema.minItems, schema.maxItems, " entries"),
  ].filter((part) => part !== undefined).join("; ");
}

/** The object behind a schema, if there is one: itself, an alternative of it, or what its list holds. */
function objectOf(given) {
  const schema = resolve(given);
  if (schema.properties) return schema;
  const { options } = alternatives(schema);
  const inner = options.length > 0 ? options[0] : schema.items;
  return inner && inner !== true ? objectOf(inner) : undefined;
}

/** Rows of a table for the fields of an object, and of the objects in it. */
function fieldRows(object, depth = 0) {
  return Object.entries(object.properties).flatMap(([name, field]) => {
    const needed = (object.required ?? []).includes(name);
    const inner = depth < DEEPEST ? objectOf(field) : undefined;
    return [row(name, needed, field, resolve(field).description, depth), ...(inner ? fieldRows(inner, depth + 1) : [])];
  });
}

function row(name, needed, schema, about, depth = 0) {
  return el("tr", { class: `depth${depth}` },
    el("td", {}, el("code", needed ? { class: "needed", title: "always there" } : {}, name)),
    el("td", { class: "type" }, typeWords(schema)),
    el("td", {}, said(about), limits(schema) ? el("span", { class: "words" }, ` Allowed: ${limits(schema)}.`) : null));
}

function table(rows) {
  const head = el("tr", {}, ...["Name", "Type", "What it is"].map((text) => el("th", { scope: "col" }, text)));
  return el("div", { class: "wide" }, el("table", {}, el("thead", {}, head), el("tbody", {}, rows)));
}

/** Text that can be copied. */
function sample(text) {
  const button = el("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.nextSibling);
      button.textContent = "Press Ctrl+C";
    }
  });
  return el("div", { class: "sample" }, button, el("pre", { tabindex: "0" }, el("code", {}, text)));
}

const pretty = (value) => JSON.stringify(value, null, 2);

/** The examples of a body. */
function examplesOf(given) {
  const schema = resolve(given);
  if (schema.examples) return schema.examples;
  return alternatives(schema).options.map(examplesOf).find((examples) => examples.length > 0) ?? [];
}

/** A call of an operation for the command line. */
function curl(method, path, operation, example) {
  const url = new URL(`.${path}`, document.baseURI).href.replaceAll("%7B", "{").replaceAll("%7D", "}");
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}${quoted(url)}`];
  if (operation.security.length > 0) lines.push(`-H "X-API-KEY: $API_KEY"`);
  if (example !== undefined) lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(example))}`);
  return lines.join(" \\\n  ");
}

function parametersOf(operation) {
  const parameters = operation.parameters ?? [];
  if (parameters.length === 0) return [];
  const rows = parameters.map((one) => row(`${one.name} (${one.in})`, one.required, one.schema, one.description));
  return [el("h3", {}, "Parameters"), table(rows)];
}

function bodyOf(operation) {
  const schema = operation.requestBody?.content["application/json"].schema;
  if (!schema) return [];
  const object = objectOf(schema);
  const title = el("h3", {}, operation.requestBody.required ? "Body" : "Body (may be left out)");
  const many = alternatives(resolve(schema)).options.length > 1 ? " One, or a list." : "";
  const about = el("p", { class: "about" }, said(`${object.description ?? ""}${many}`));
  return [title, about, table(fieldRows(object)), ...examplesOf(schema).map((example) => sample(pretty(example)))];
}

function responseOf([status, given]) {
  const response = resolve(given);
  const [mediaType, content] = Object.entries(response.content ?? {})[0] ?? [];
  const examples = content ? [content.example, ...Object.values(content.examples ?? {}).map((one) => one.value)] : [];
  const good = status < 300;
  const object = good && content ? objectOf(content.schema) : undefined;
  return el("details", good ? { open: "" } : {},
    el("summary", {}, el("code", {}, status), " ", said(response.description), mediaType ? el("span", { class: "words" }, ` ${mediaType}`) : null),
    object ? table(fieldRows(object)) : null,
    examples.filter((example) => example !== undefined).map((example) => sample(pretty(example))));
}

/** One operation; what is inside is made when it is opened. */
function operationOf(path, method, operation) {
  const roles = operation["x-roles"] ?? [];
  const details = el("details", { class: "operation", id: operation.operationId },
    el("summary", {}, el("span", { class: `method ${method}` }, method.toUpperCase()), el("code", {}, path),
      el("span", { class: "words" }, operation.summary),
      el("span", { class: "roles" }, roles.length > 0 ? roles.join(", ") : path.startsWith("/") ? "everybody" : "")));
  details.dataset.text = [path, method, operation.operationId, operation.summary, operation.description, ...roles].join(" ").toLowerCase();
  details.addEventListener("toggle", () => {
    if (!details.open || details.childElementCount > 1) return;
    const schema = operation.requestBody?.content["application/json"].schema;
    const isOurs = path.startsWith("/");
    const call = isOurs ? [el("h3", {}, "Call"), sample(curl(method, path, operation, schema ? examplesOf(schema)[0] : undefined))] : [];
    details.append(el("div", { class: "inside" }, operation.description ? el("p", {}, said(operation.description)) : null,
      call, parametersOf(operation), bodyOf(operation),
      el("h3", {}, "Answers"), Object.entries(operation.responses).map(responseOf)));
  });
  return details;
}

function sectionOf(tag) {
  const operations = Object.entries(tag.paths ?? description.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method] && (tag.paths || methods[method].tags.includes(tag.name)))
      .map((method) => operationOf(path, method, methods[method])));
  const id = `group-${tag.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`;
  document.getElementById("nouns").append(el("a", { href: `#${id}` }, tag.name));
  return el("section", { "aria-labelledby": id }, el("h2", { id }, tag.name), el("p", { class: "about" }, tag.description), operations);
}

/** Shows what holds every word that is looked for. */
function filter(text) {
  const words = text.toLowerCase().split(/\s+/);
  for (const section of document.querySelectorAll("section")) {
    const all = [...section.querySelectorAll("details.operation")];
    all.forEach((one) => { one.hidden = !words.every((word) => one.dataset.text.includes(word)); });
    section.hidden = all.every((one) => one.hidden);
  }
}

/** Opens the operation that the address names. */
function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named?.matches("details.operation")) named.open = true;
  named?.scrollIntoView();
}

async function start() {
  const state = document.getElementById("state");
  try {
    const answer = await fetch("openapi.json");
    if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
    description = await answer.json();
  } catch (error) {
    state.textContent = `The description could not be loaded (${error.message}).`;
    return;
  }
  document.getElementById("version").textContent = `${description.info.version}, OpenAPI ${description.openapi}`;
  const about = description.info.description.split("\n\n").map((paragraph) => el("p", {}, said(paragraph)));
  const receivers = { name: "What receivers get", description: "The other direction: the request of a delivery.", paths: description.webhooks };
  state.replaceWith(...about, ...description.tags.concat(receivers).map(sectionOf));
  document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
  addEventListener("hashchange", openNamed);
  openNamed();
}

start();
