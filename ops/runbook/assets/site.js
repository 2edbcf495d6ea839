"use strict";
/* The site's only script: the language, sorted and filtered tables, the search, ages. Pages are complete without it. What others
   wrote gets onto a page as text only, never as markup. */
const bordbuch = (() => {
  const html = document.documentElement;
  const languages = html.dataset.languages.split(" ");
  const asked = new URLSearchParams(location.search).get("lang");

  /* From a file, some browsers keep nothing between two pages: then the address carries the choice. */
  const kept = {
    get() { try { return localStorage.getItem("lang"); } catch { return null; } },
    set(value) { try { localStorage.setItem("lang", value); } catch { /* kept in the address only */ } },
  };
  const preferred = () => [asked, kept.get(), ...navigator.languages.map((tag) => tag.slice(0, 2)), languages.at(-1)]
    .find((lang) => languages.includes(lang));
  let lang = preferred();
  html.dataset.lang = lang;
  html.lang = lang;

  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const shown = (node) => {
    if (node.nodeType === Node.TEXT_NODE) { return node.data; }
    if (node.lang && node.matches("span:not(.own)") && node.lang !== lang) { return ""; }
    return [...node.childNodes].map(shown).join("");
  };

  function speak() {
    html.dataset.lang = lang;
    html.lang = lang;
    document.title = html.getAttribute(`data-title-${lang}`);
    all("[data-set-lang]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.setLang === lang)));
    all("option[data-" + lang + "]").forEach((option) => { option.textContent = option.getAttribute("data-" + lang); });
    all("[data-age]").forEach(age);
  }

  function age(element) {
    const days = Math.floor((Date.now() - Date.parse(element.querySelector("time").dateTime)) / 86400000);
    const words = new Intl.RelativeTimeFormat(lang, { numeric: "auto" }).format(-days, "day");
    element.querySelector(".age")?.remove();
    element.append(Object.assign(document.createElement("span"), { className: "age", textContent: ` (${words})` }));
  }

  function choose(event) {
    lang = event.target.dataset.setLang;
    kept.set(lang);
    carry();
    speak();
  }

  function carry() {
    all("a[href]").filter((link) => link.protocol === location.protocol && link.pathname.endsWith(".html"))
      .forEach((link) => { if (link.pathname !== location.pathname || !link.hash) { link.search = `?lang=${lang}`; } });
  }

  function sortable(table) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        sort(table.tBodies[0], column, order === "ascending" ? 1 : -1);
      });
    });
  }

  function value(cell) {
    const number = cell.classList.contains("number");
    if (cell.dataset.v !== undefined) { return number ? Number(cell.dataset.v) : cell.dataset.v; }
    const time = cell.querySelector("time");
    if (time) { return time.dateTime; }
    const text = shown(cell).trim();
    return number ? Number(text.replace(/[^\d-]/g, "")) : text;
  }

  function sort(body, column, sign) {
    const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
    const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), lang));
    rows.sort(([a], [b]) => sign * order(a, b)).forEach(([, row]) => body.append(row));
  }

  function filter(input) {
    const rows = [...document.getElementById(input.dataset.filter).tBodies[0].rows];
    const count = document.getElementById("filter-count");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => { row.hidden = !words.every((word) => shown(row).toLowerCase().includes(word)); });
      count.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} / ${rows.length}` : "";
    });
  }

  const MOST = 200;
  const years = new Map();
  const waiting = new Map();

  function load(year) {
    if (!waiting.has(year)) {
      waiting.set(year, new Promise((done) => {
        const script = document.createElement("script");
        script.src = `index-${year}.js`;
        script.addEventListener("load", done);
        script.addEventListener("error", done);
        document.head.append(script);
      }));
    }
    return waiting.get(year);
  }

  const field = (name) => document.getElementById(`f-${name}`).value.trim().toLowerCase();
  const has = (text, words) => words.split(/\s+/).every((word) => text.toLowerCase().includes(word));

  function asks() {
    const wants = { any: field("any"), host: field("host"), package: field("package"), advisory: field("advisory"), who: field("who"),
      month: field("month"), outcome: field("outcome") };
    return Object.values(wants).some(Boolean) ? wants : null;
  }

  function matches([id, outcome, , reason, requester, operator, approver, hosts, packages, advisories], wants) {
    const people = `${requester} ${operator} ${approver}`;
    return id.startsWith(wants.month) && (!wants.outcome || outcome === wants.outcome) && has(hosts, wants.host)
      && has(packages, wants.package) && has(advisories, wants.advisory) && has(people, wants.who)
      && has(`${id} ${outcome} ${reason} ${people} ${hosts} ${packages} ${advisories}`, wants.any);
  }

  async function search(form) {
    const wants = asks();
    const box = document.getElementById("results-box");
    const found = document.getElementById("found");
    if (!wants) { box.hidden = true; found.textContent = ""; return; }
    const listed = form.dataset.years.split(" ").filter(Boolean);
    await Promise.all(listed.map(load));
    if (JSON.stringify(asks()) !== JSON.stringify(wants)) { return; }
    const rows = listed.flatMap((year) => years.get(year) ?? []).filter((row) => matches(row, wants));
    box.hidden = rows.length === 0;
    found.textContent = rows.length > MOST ? `${MOST} / ${rows.length}` : String(rows.length);
    document.querySelector("#results tbody").replaceChildren(...rows.slice(0, MOST).map(result));
  }

  function result([id, outcome, , reason, requester, , approver, hosts]) {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    const link = Object.assign(document.createElement("a"), { textContent: id, href: `${id.slice(0, 4)}/${id.slice(5, 7)}/${id}.html` });
    if (asked) { link.search = `?lang=${lang}`; }
    head.append(link);
    const option = document.querySelector(`#f-outcome option[value="${CSS.escape(outcome)}"]`);
    const cells = [option ? option.textContent : outcome, reason, hosts, requester, approver];
    row.append(head, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return row;
  }

  function start() {
    all(".languages, .filter, .search").forEach((element) => { element.hidden = false; });
    all("[data-set-lang]").forEach((button) => button.addEventListener("click", choose));
    all("table.sortable").forEach(sortable);
    all("[data-filter]").forEach(filter);
    all("form[data-years]").forEach((form) => {
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("input", () => search(form));
    });
    all(".stale").forEach((note) => { note.hidden = Date.now() - Date.parse(note.dataset.since) < note.dataset.days * 86400000; });
    if (asked) { carry(); }
    speak();
  }

  document.addEventListener("DOMContentLoaded", start);
  return { add(year, rows) { years.set(year, rows); } };
})();
