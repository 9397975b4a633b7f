// Shows the exact values of the moment under the pointer below a chart: what its title says, at once and larger.
"use strict";
(() => {
  const hint = new WeakMap();

  function show(event) {
    const chart = event.target.closest?.("[data-chart]");
    if (!chart) return;
    const readout = chart.querySelector(".readout");
    if (!hint.has(readout)) hint.set(readout, readout.textContent);
    const title = event.target.closest(".column")?.querySelector("title");
    readout.textContent = title ? title.textContent.split("\n").join(" · ") : hint.get(readout);
    for (const other of chart.querySelectorAll(".column.current")) other.classList.remove("current");
    event.target.closest(".column")?.classList.add("current");
  }

  document.addEventListener("pointermove", show);
})();
