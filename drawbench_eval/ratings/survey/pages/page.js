"use strict";

// The batch: what is asked, its trials in blocks, and the images. Codes only; no model has a name here.
const batch = JSON.parse(document.getElementById("batch").textContent);
const numTrials = batch.blocks.flat().length;
const KEYS = batch.options.length === 2 ? ["ArrowLeft", "ArrowRight"] : ["ArrowLeft", "ArrowDown", "ArrowRight"];

// ---- What a rater sees, and the file that comes of it: plain functions of the batch, the rater and the answers.

/** Random numbers from 0 to 1, the same for the same text (FNV-1a, then mulberry32). */
function randomFrom(text) {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(items, random) {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
  }
  return mixed;
}

/** The trials in this rater's order, with the side that stands left. Half of all raters see the sides swapped. */
function trialsFor(rater) {
  const random = randomFrom(`${batch.id}\n${rater}`);
  const swap = random() < 0.5;
  const other = { a: "b", b: "a" };
  return shuffled(batch.blocks, random)
    .flatMap(block => shuffled(block, random))
    .map(trial => ({ ...trial, left: trial.left && swap ? other[trial.left] : trial.left }));
}

/** One answer as a row of canonical ratings, under the trial's code. */
function rowOf(trial, rater, given) {
  const right = trial.left === "a" ? "b" : "a";
  const choices = { left: trial.left, right, indifferent: "indifferent" };
  return {
    prompt_id: trial.code, question: batch.question, rater_id: rater, is_control: "false", batch_id: batch.id,
    model: `${trial.code}-a`, model_a: `${trial.code}-a`, model_b: `${trial.code}-b`,
    choice: choices[given.answer], value: given.answer, displayed_left: trial.left ?? "",
    duration_s: String(given.duration_s), timestamp: given.timestamp,
  };
}

/** A cell of CSV; what a spreadsheet would run as a formula gets an apostrophe in front. */
function cell(text) {
  const safe = /^'*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** All answers of a rater so far, in the order in which they were asked. `answers`: code -> what was given. */
function csvFor(rater, answers) {
  const rows = trialsFor(rater).filter(trial => answers[trial.code]).map(trial => rowOf(trial, rater, answers[trial.code]));
  const lines = rows.map(row => batch.columns.map(name => cell(row[name] ?? "")).join(","));
  return [batch.columns.join(","), ...lines, ""].join("\n");
}

// ---- Answers are kept in this browser, by batch and rater.

const lastRater = `survey/${batch.id}`;
const keptAs = rater => `survey/${batch.id}/${rater}`;

function recall(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

/** Whether the browser has kept it. */
function keep(name, text) {
  try { localStorage.setItem(name, text); return true; } catch { return false; }
}

function answersOf(rater) {
  const known = new Set(batch.blocks.flat().map(trial => trial.code));
  const options = new Set(batch.options.map(option => option.answer));
  try {
    const found = Object.entries(JSON.parse(recall(keptAs(rater))) ?? {});
    return Object.fromEntries(found.filter(([code, given]) => known.has(code) && options.has(given.answer)));
  } catch { return {}; }
}

// ---- The page.

const at = id => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

let rater = "";
let trials = [];
let answers = {};
let position = 0;
let isReady = false;
let kept = true;

function show(id) {
  for (const main of document.querySelectorAll("main")) main.hidden = main.id !== id;
  scrollTo(0, 0);
}

/** The question's text; the caption stands in it as text, whatever is written in it. */
function questionParts(caption) {
  const [before, after] = batch.text.split(batch.caption_mark);
  return after === undefined ? [before] : [before, element("q", { textContent: caption }), after];
}

// Time counts while the trial can be seen.
let seenSince = null;
let seenMs = 0;
function watch() { seenMs = 0; seenSince = document.hidden ? null : performance.now(); }
function seenSeconds() {
  return (seenMs + (seenSince === null ? 0 : performance.now() - seenSince)) / 1000;
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden && seenSince !== null) { seenMs += performance.now() - seenSince; seenSince = null; }
  if (!document.hidden && seenSince === null) seenSince = performance.now();
});

function showStart() {
  const given = new URLSearchParams(location.search).get("rater");
  const random = [...crypto.getRandomValues(new Uint8Array(5))].map(byte => "abcdefghjkmnpqrstuvwxyz23456789"[byte % 31]);
  at("rater").value = given || recall(lastRater) || `rater-${random.join("")}`;
  const things = { sets: "pairs of sets of images", images: "pairs of images", one: "images, each with a caption" }[batch.shows];
  at("task").textContent = `You will see ${numTrials} ${things}. The question is always:`;
  at("task-question").replaceChildren(...questionParts("…"));
  const keys = batch.options.map((_, index) => index + 1).join(", ");
  const rules = [
    "Go by what you see, and answer on your own.",
    ...(batch.shows === "one" ? [] : ["A and B change places at random."]),
    `Click or tap an answer, or press ${keys}. A click on an image enlarges it.`,
    "Answers are kept in this browser: you may close the page and go on later.",
    "At the end you save them as a file, for whoever sent you this page.",
  ];
  at("rules").replaceChildren(...rules.map(textContent => element("li", { textContent })));
  describeRater();
  show("start");
}

function describeRater() {
  const name = at("rater").value.trim();
  const done = Object.keys(answersOf(name)).length;
  at("start-form").querySelector("button").textContent = done ? "Go on" : "Start";
  at("rater-state").textContent = done ? `${done} of ${numTrials} are answered under this id.` : "";
}

function start(event) {
  event.preventDefault();
  const name = at("rater").value.trim();
  if (!name) {
    at("rater-state").textContent = "Please write an id first.";
    at("rater").focus();
    return;
  }
  rater = name;
  trials = trialsFor(rater);
  answers = answersOf(rater);
  kept = keep(lastRater, rater);
  goTo(trials.findIndex(trial => !answers[trial.code]));
}

/** The trial at this place, or the end where there is none. */
function goTo(index) {
  if (index < 0 || index >= trials.length) { showEnd(); return; }
  position = index;
  const trial = trials[index];
  const numbers = trial.left === "b" ? [...trial.sides].reverse() : trial.sides;
  at("trial").className = `shows-${batch.shows}`;
  at("position").textContent = `${index + 1} of ${trials.length}`;
  at("progress").max = trials.length;
  at("progress").value = Object.keys(answers).length;
  at("back").disabled = index === 0;
  at("forward").disabled = !answers[trial.code];
  at("question").replaceChildren(...questionParts(trial.caption));
  at("sides").replaceChildren(...numbers.map((images, side) => figure(images, batch.side_labels[side] ?? "Image")));
  if (batch.shows === "one") at("sides").firstChild.append(element("p", { className: "caption", textContent: trial.caption }));
  for (const button of at("answers").children) {
    button.setAttribute("aria-pressed", String(button.value === answers[trial.code]?.answer));
    button.disabled = true;
  }
  show("trial");
  at("question").focus({ preventScroll: true });
  isReady = false;
  const decoded = [...at("sides").querySelectorAll("img")].map(image => image.decode());
  Promise.allSettled(decoded).then(() => {
    if (trials[position] !== trial) return;
    for (const button of at("answers").children) button.disabled = false;
    isReady = true;
    watch();
  });
}

function figure(images, label) {
  const columns = images.length <= 4 ? Math.ceil(Math.sqrt(images.length)) : 4;
  const name = number => images.length === 1 ? label : `${label}, image ${number + 1} of ${images.length}`;
  const buttons = images.map((image, number) => {
    const button = element("button", { type: "button", title: "Enlarge" }, element("img", { src: batch.images[image], alt: name(number) }));
    button.addEventListener("click", () => zoom(images, number, name));
    return button;
  });
  const caption = batch.side_labels.length ? [element("figcaption", { textContent: label })] : [];
  const grid = element("div", { className: "grid" }, ...buttons);
  grid.style.setProperty("--columns", columns);
  grid.style.setProperty("--rows", Math.ceil(images.length / columns));
  return element("figure", { className: images.length === 1 ? "side single" : "side" }, ...caption, grid);
}

function choose(answer) {
  if (!isReady) return;
  isReady = false;
  const trial = trials[position];
  const before = answers[trial.code]?.duration_s ?? 0;
  const duration_s = Math.round((before + seenSeconds()) * 1000) / 1000;
  answers[trial.code] = { answer, duration_s, timestamp: new Date().toISOString() };
  kept = keep(keptAs(rater), JSON.stringify(answers)) && kept;
  const open = trials.map((_, index) => index).filter(index => !answers[trials[index].code]);
  goTo(open.length ? open.find(index => index > position) ?? open[0] : position + 1);
}

function showEnd() {
  const done = Object.keys(answers).length;
  const open = trials.length - done;
  at("end-title").textContent = open ? `${done} of ${trials.length} answered` : "All done. Thank you!";
  const advice = open
    ? "You can go on now, or come back to this page later. If you stop here, save what you have."
    : "Please save your answers and send the file to whoever gave you this page.";
  at("end-text").textContent = kept ? advice : `${advice} This browser keeps nothing: save before you close the page.`;
  at("return").textContent = open ? "Go on" : "Look at my answers again";
  at("answers-text").value = csvFor(rater, answers);
  at("save").disabled = done === 0;
  at("saved").textContent = "";
  show("end");
  at("end-title").focus();
}

function save() {
  const name = `${batch.id}-${rater.replace(/[^A-Za-z0-9._-]+/g, "_").slice(0, 40)}.csv`;
  const url = URL.createObjectURL(new Blob([csvFor(rater, answers)], { type: "text/csv" }));
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
  at("saved").textContent = `Saved as ${name}.`;
}

// ---- One image, larger.

let zoomed = null;
function zoom(images, number, name) {
  zoomed = { images, number, name };
  drawZoom();
  at("zoom").showModal();
}
function drawZoom() {
  const { images, number, name } = zoomed;
  at("zoom-image").src = batch.images[images[number]];
  at("zoom-image").alt = name(number);
  at("zoom-name").textContent = name(number);
  at("zoom-previous").hidden = at("zoom-next").hidden = images.length === 1;
}
function zoomBy(step) {
  zoomed.number = (zoomed.number + step + zoomed.images.length) % zoomed.images.length;
  drawZoom();
}

// ---- Buttons and keys.

// Of one image the question speaks of "the above image": it stands below.
if (batch.shows === "one") at("question").before(at("sides"));
at("answers").append(...batch.options.map((option, index) => {
  const button = element("button", { type: "button", value: option.answer }, element("kbd", { textContent: String(index + 1), ariaHidden: "true" }), option.label);
  button.addEventListener("click", () => choose(option.answer));
  return button;
}));
at("keys").append(
  "Keys: ", ...batch.options.flatMap((_, index) => [element("kbd", { textContent: String(index + 1) }), " "]),
  "or ", ...KEYS.flatMap(key => [element("kbd", { textContent: { ArrowLeft: "←", ArrowDown: "↓", ArrowRight: "→" }[key] }), " "]),
  "to answer, ", element("kbd", { textContent: "Backspace" }), " to go back",
);
at("start-form").addEventListener("submit", start);
at("rater").addEventListener("input", describeRater);
at("back").addEventListener("click", () => goTo(Math.max(position - 1, 0)));
at("forward").addEventListener("click", () => goTo(position + 1));
at("pause").addEventListener("click", showEnd);
at("save").addEventListener("click", save);
at("return").addEventListener("click", () => {
  const open = trials.findIndex(trial => !answers[trial.code]);
  goTo(open < 0 ? 0 : open);
});
at("answers-text").addEventListener("focus", event => event.target.select());
at("zoom-close").addEventListener("click", () => at("zoom").close());
at("zoom-image").addEventListener("click", () => at("zoom").close());
at("zoom-previous").addEventListener("click", () => zoomBy(-1));
at("zoom-next").addEventListener("click", () => zoomBy(1));
document.addEventListener("keydown", event => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || at("trial").hidden) return;
  if (at("zoom").open) {
    if (event.key === "ArrowLeft") zoomBy(-1);
    if (event.key === "ArrowRight") zoomBy(1);
    return;
  }
  const index = KEYS.includes(event.key) ? KEYS.indexOf(event.key) : Number(event.key) - 1;
  if (event.key === "Backspace" && position > 0) goTo(position - 1);
  else if (batch.options[index]) choose(batch.options[index].answer);
  else return;
  event.preventDefault();
});

showStart();
