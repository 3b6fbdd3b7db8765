// The page of the sandbox. All texts of the state are set as text, never as HTML; the policy of the page enforces it.

const $ = (id) => document.getElementById(id);
const TOKEN_KEY = "sandbox-token";
const POLL_MS = 1000;

let token = takeToken();
let timer = 0;
// The JSON that each part of the page shows, so that an unchanged part keeps its selection and its focus.
const shown = {};

// The token must be in no picture of the page and in no history, but survive a reload.
function takeToken() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem(TOKEN_KEY, given);
    history.replaceState(null, "", "/");
  }
  return given || sessionStorage.getItem(TOKEN_KEY);
}

class Refused extends Error {}

async function control(method, path, body) {
  const response = await fetch(`/_sandbox/${encodeURIComponent(token)}${path}`, {
    method,
    headers: body === undefined ? {} : {"Content-Type": "application/json"},
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 403) throw new Refused();
  if (!response.ok) throw new Error((await response.text()).slice(0, 300));
  return response.status === 204 ? null : response.json();
}

// Elements

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function cell(content, className) {
  const made = element("td", undefined, className);
  made.append(...[content ?? ""].flat());
  return made;
}

// Long names break between their words.
function breakable(name) {
  const parts = name.split(/(?<=_)|(?<=[a-z])(?=[A-Z])/);
  return parts.flatMap((part, index) => (index ? [element("wbr"), part] : [part]));
}

function row(...cells) {
  const made = element("tr");
  made.append(...cells);
  return made;
}

function bars(used, refused, maximum) {
  const space = "http://www.w3.org/2000/svg";
  const top = Math.max(maximum ?? 0, 1, ...used.map((count, index) => count + refused[index]));
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("class", "bars");
  picture.setAttribute("viewBox", `0 0 ${used.length * 4} 26`);
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `${used.reduce((a, b) => a + b, 0)} requests in the last minute`);
  const draw = (name, attributes) => {
    const made = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    picture.append(made);
  };
  if (maximum) {
    const y = 26 - (maximum / top) * 25;
    draw("line", {x1: 0, x2: used.length * 4, y1: y, y2: y});
  }
  draw("line", {x1: 0, x2: used.length * 4, y1: 25.5, y2: 25.5});
  used.forEach((count, index) => {
    const height = (count / top) * 25, above = (refused[index] / top) * 25;
    if (count) draw("rect", {x: index * 4, y: 26 - height, width: 3, height});
    if (above) draw("rect", {x: index * 4, y: 26 - height - above, width: 3, height: above, class: "refused"});
  });
  return picture;
}

// Rendering

function render(part, data, draw) {
  const json = JSON.stringify(data);
  if (shown[part] === json) return;
  draw(data);
  shown[part] = json;
}

function fillTable(id, {total, items}, empty, toRow) {
  const section = $(id);
  const rows = items.map(toRow);
  if (!rows.length) {
    const none = cell(empty);
    none.colSpan = section.querySelectorAll("th").length;
    rows.push(row(none));
    rows[0].className = "empty";
  }
  section.querySelector("tbody").replaceChildren(...rows);
  const more = total > items.length ? `${items.length} of ${total}` : `${total}`;
  section.querySelector(".count").textContent = more;
}

// Times are in UTC, as in Airflow.
const timestamp = (seconds) => new Date(seconds * 1000).toISOString().replace("T", " ");
const time = (seconds) => timestamp(seconds).slice(11, 19);
const minute = (seconds) => timestamp(seconds).slice(0, 16);

function span(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const words = [];
  let rest = Math.abs(Math.round(seconds));
  for (const [size, unit] of parts) {
    if (rest >= size && words.length < 2) words.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  return words.join(" ");
}

function requestRow(request) {
  const status = request.status ?? (request.fault ? "dropped" : "open");
  const kind = request.fault || status >= 500 ? "bad" : status >= 400 ? "warn" : "good";
  const about = [request.user, request.error, request.fault && `fault: ${request.fault}`,
    request.refused_by.length && `limit: ${request.refused_by.join(", ")}`].filter(Boolean).join(" · ");
  const name = [element("span", `${request.version} ${request.method} `, "method"),
    ...breakable(request.operation ?? request.path), element("span", about, "only-narrow quiet")];
  const duration = request.seconds === null ? "" : `${(request.seconds * 1000).toFixed(1)} ms`;
  return row(cell(time(request.wall_time), "nowrap"), cell(name), cell(`${status}`, `nowrap ${kind}`),
    cell(duration, "number nowrap"), cell(about, "minor"));
}

function limitRow(limit) {
  const full = limit.maximum !== null && limit.peak >= limit.maximum;
  const name = [element("span", `${limit.version} `, "method"), ...breakable(limit.name)];
  const peak = limit.maximum === null ? `${limit.peak}` : `${limit.peak} of ${limit.maximum}`;
  const refused = limit.refused.reduce((a, b) => a + b, 0);
  return row(cell(name), cell(peak, `number nowrap ${full ? "warn" : ""}`), cell(`${limit.requests}`, "number minor"), cell(`${refused}`, `number ${refused ? "bad" : ""}`),
    cell(bars(limit.used, limit.refused, limit.maximum)));
}

function personRow(person) {
  const status = [element("span", person.status, {active: "good", invited: "warn", deleted: "bad"}[person.status])];
  if (person.status === "invited") {
    const accept = element("button", "Accept", "small");
    accept.type = "button";
    accept.title = "Accept the invitation, as the user does";
    accept.addEventListener("click", () => act("POST", "/invitations/accepted", {mail: person.mail}));
    status.push(" ", accept);
  }
  return row(cell(person.mail), cell(person.name), cell(status), cell(person.groups, "minor"));
}

const groupRow = (group) => row(cell(group.name), cell(group.parent, "minor"), cell(`${group.members}`, "number"),
  cell(group.public ? "public" : "private"));

const sessionRow = (session) => row(cell(session.name), cell(session.path, "minor"),
  cell(minute(session.start), "nowrap"), cell(`${session.enrolled}`, "number"),
  cell(`${session.completed}`, `number ${session.completed ? "good" : ""}`));

const jobRow = (job) => row(cell(job.type),
  cell(job.error ? `${job.state}: ${job.error}` : job.state, {completed: "good", error: "bad"}[job.state] ?? "warn"),
  cell(`${job.rows}`, "number"), cell(`${job.refused}`, `number ${job.refused ? "bad" : ""}`),
  cell(minute(job.created_at), "nowrap minor"));

function drawFaults(faults) {
  $("faults").replaceChildren(...faults.map((fault) => {
    const requests = fault.count === 1 ? "next request" : `next ${fault.count} requests`;
    return element("li", `${fault.kind}: ${requests} of ${fault.operation ?? "any operation"}`);
  }));
  $("clear-faults").hidden = !faults.length;
}

function drawSwitches(switches) {
  $("switches").replaceChildren(...switches.map(({name, label, on}) => {
    const line = element("label", undefined, "switch"), box = element("input");
    box.type = "checkbox";
    box.checked = on;
    box.id = `switch-${name}`;
    box.addEventListener("change", () => act("PATCH", "/settings", {[name]: box.checked}));
    line.append(box, label);
    return line;
  }));
}

function drawClock({now, ahead}) {
  $("clock-time").textContent = `${timestamp(now).slice(0, 19)} UTC`;
  const away = Math.abs(ahead) < 1 ? "" : `${span(ahead)} ${ahead > 0 ? "ahead" : "behind"}`;
  $("clock-ahead").textContent = away;
}

function draw(state) {
  render("company", state.company, (name) => { $("company").textContent = name; });
  drawClock(state.clock);
  render("operations", state.operations, (names) => {
    $("operations").replaceChildren(...names.map((name) => { const one = element("option"); one.value = name; return one; }));
  });
  render("kinds", state.fault_kinds, (kinds) => {
    $("fault-kind").replaceChildren(...kinds.map((kind) => element("option", kind)));
    showFaultFields();
  });
  render("faults", state.faults, drawFaults);
  render("switches", state.switches, drawSwitches);
  render("delay", state.delay_ms, (delay) => { $("delay").value = delay; });
  render("requests", state.requests, (data) => fillTable("requests", data, "No request has arrived.", requestRow));
  render("limits", state.limits, (limits) => {
    $("limits").querySelector("tbody").replaceChildren(...limits.map(limitRow));
  });
  const found = $("find").value.trim() ? "Nothing was found." : null;
  render("people", state.people, (data) => fillTable("people", data, found ?? "The company has no users.", personRow));
  render("groups", state.groups, (data) => fillTable("groups", data, found ?? "The company has no groups.", groupRow));
  render("sessions", state.sessions, (data) => fillTable("sessions", data, found ?? "No path has a session.", sessionRow));
  render("jobs", state.jobs, (data) => fillTable("jobs", data, "No bulk job was submitted.", jobRow));
}

// Connection

function setStatus(text, className) {
  render("status", [text, className], () => { $("status").textContent = text; $("status").className = className; });
}

function askForToken(reason) {
  $("connect-reason").textContent = reason;
  $("connect").hidden = false;
  $("main").hidden = true;
  setStatus("Not connected", "lost");
}

async function refresh() {
  clearTimeout(timer);
  if (!token) return askForToken("Open the address of this page that the sandbox printed at its start, or enter it here.");
  const started = performance.now();
  try {
    draw(await control("GET", `/overview?find=${encodeURIComponent($("find").value.trim())}`));
    $("connect").hidden = true;
    $("main").hidden = false;
    setStatus("Live", "live");
  } catch (error) {
    if (error instanceof Refused) {
      return askForToken("This is not the token of the sandbox that runs now. It prints a new address at each start.");
    }
    setStatus(error instanceof TypeError ? "The sandbox does not respond" : error.message, "lost");
  }
  // A large company takes longer: at most a tenth of the time is spent on this page.
  timer = setTimeout(refresh, Math.max(POLL_MS, 10 * (performance.now() - started)));
}

async function act(method, path, body) {
  try {
    await control(method, path, body);
  } catch (error) {
    setStatus(error.message || "The sandbox refused it", "lost");
    return;
  }
  await refresh();
}

function onSubmit(id, handler) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    handler();
  });
}

function showFaultFields() {
  const kind = $("fault-kind").value;
  $("fault-seconds-part").hidden = kind !== "delay";
  $("fault-status-part").hidden = !["status", "server_error", "echo"].includes(kind);
}

onSubmit("connect", () => {
  token = $("control-url").value.trim().split(/[#/]/).filter(Boolean).pop() ?? "";
  $("control-url").value = "";
  if (token) sessionStorage.setItem(TOKEN_KEY, token);
  refresh();
});
onSubmit("clock", () => act("POST", "/clock", {seconds: $("clock-amount").value * $("clock-unit").value}));
onSubmit("fault", () => {
  const kind = $("fault-kind").value;
  const fault = {kind, operation: $("fault-operation").value.trim() || null, count: Number($("fault-count").value)};
  if (!$("fault-seconds-part").hidden) fault.seconds = Number($("fault-seconds").value);
  if (!$("fault-status-part").hidden) fault.status = Number($("fault-status").value);
  act("POST", "/faults", fault);
});
$("fault-kind").addEventListener("change", showFaultFields);
$("clear-faults").addEventListener("click", () => act("DELETE", "/faults"));
$("delay").addEventListener("change", () => act("PATCH", "/settings", {delay_after_ms: Number($("delay").value)}));
$("reset").addEventListener("click", () => {
  if (confirm("Start over, with the company, the settings and the clock of the start?")) act("POST", "/reset", {});
});
$("find").addEventListener("input", refresh);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
window.addEventListener("hashchange", () => { token = takeToken(); refresh(); });
refresh();
