
"use strict";
const told = JSON.parse(document.body.dataset.told);
const parts = [...document.querySelectorAll("fieldset")];
const saidAt = new Map();
let here = 0;
let saved = true;

const said = (part) => part.querySelector("input:checked");
const cell = (text) => '"' + String(text).replace(/"/g, '""') + '"';

function count() {
  document.getElementById("count").textContent = `${parts.filter(said).length} of ${parts.length}`;
}

function go(to) {
  parts[here].classList.remove("here");
  here = Math.max(0, Math.min(parts.length - 1, to));
  parts[here].classList.add("here");
  parts[here].scrollIntoView({ block: "nearest" });
}

function choose(part, word) {
  part.querySelector(`input[value=${word}]`).checked = true;
  heard(part);
}

function heard(part) {
  saidAt.set(part, new Date().toISOString());
  saved = false;
  count();
}

function save() {
  const rows = ["id,verdict,who,time,note,blind"];
  for (const part of parts.filter(said)) {
    const note = part.querySelector(".note").value;
    rows.push([part.dataset.id, said(part).value, told.who, saidAt.get(part), note, "yes"].map(cell).join(","));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff" + rows.join("\r\n") + "\r\n"], { type: "text/csv" }));
  link.download = `labels-${told.line}-${told.who}-${new Date().toISOString().slice(0, 10)}.csv`;
  link.click();
  saved = true;
}

document.forms[0].addEventListener("submit", (event) => event.preventDefault());
document.forms[0].addEventListener("change", (event) => {
  const part = event.target.closest("fieldset");
  if (said(part)) heard(part);
});
document.addEventListener("keydown", (event) => {
  if (event.target.className === "note" || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "o" || key === "n") {
    choose(parts[here], key === "o" ? "OK" : "NG");
    go(here + 1);
  } else if (key === "arrowdown" || key === "arrowup") {
    event.preventDefault();
    go(here + (key === "arrowdown" ? 1 : -1));
  }
});
document.getElementById("save").addEventListener("click", save);
window.addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });
go(0);
