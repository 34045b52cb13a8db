// SPDX-License-Identifier: MIT
"use strict";
// Works on what the page shows, and knows nothing else: no data goes through a script.
for (const player of document.querySelectorAll(".player")) {
  const rows = player.querySelectorAll(".steps tbody tr");
  const svg = player.querySelector("svg[data-step]");
  const now = svg.querySelector(".now");
  const said = player.querySelector("output");
  const controls = player.querySelector(".controls");
  const last = rows.length - 1;
  let at = player.classList.contains("bad") ? last : 0;

  function show(step) {
    at = Math.min(Math.max(step, 0), last);
    rows.forEach((row, number) => row.classList.toggle("here", number === at));
    now.setAttribute("x", Number(svg.dataset.left) + at * Number(svg.dataset.step));
    const [, who, does] = rows[at].cells;
    said.textContent = `step ${at} of ${last}: ${who.textContent} ${does.textContent}`;
    // Not disabled: a button that is would lose the focus, and with it the keys.
    for (const button of controls.querySelectorAll("[data-go]")) {
      const end = ["first", "back"].includes(button.dataset.go) ? 0 : last;
      button.setAttribute("aria-disabled", at === end);
    }
  }

  const ways = { first: () => 0, back: () => at - 1, on: () => at + 1, last: () => last };
  const keys = { Home: "first", ArrowLeft: "back", ArrowRight: "on", End: "last" };
  controls.addEventListener("click", (event) => {
    const way = event.target.dataset.go;
    if (way) show(ways[way]());
  });
  player.addEventListener("keydown", (event) => {
    const way = keys[event.key];
    if (!way || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    show(ways[way]());
  });
  svg.addEventListener("click", (event) => {
    const x = event.clientX - svg.getBoundingClientRect().left - Number(svg.dataset.left);
    if (x >= 0) show(Math.floor(x / Number(svg.dataset.step)));
  });
  rows.forEach((row, number) => row.addEventListener("click", () => show(number)));
  controls.hidden = false;
  player.classList.add("stepping");
  show(at);
}
// Paper shows every run.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
