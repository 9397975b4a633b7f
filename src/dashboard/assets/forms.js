// Checks a form as one types: the server says what breaks a rule and what would be sent; here it is only shown.
"use strict";
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-tick]");
  if (!button) return;
  const boxes = [...document.querySelectorAll(`input[type="checkbox"][name="${button.dataset.tick}"]`)];
  const all = boxes.every((box) => box.checked);
  for (const box of boxes) box.checked = !all;
});
// What is not filled in has no place in the address.
for (const form of document.querySelectorAll("form[method=get]")) {
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}
(() => {
  const form = document.querySelector("form[data-check]");
  if (!form) return;
  const PAUSE_MS = 250;
  const touched = new Set();
  const preview = document.getElementById("preview");
  let timer = null;
  let latest = 0;

  function show(errors) {
    for (const place of form.querySelectorAll(".wrong[id$='-wrong']")) {
      const name = place.id.slice(0, -"-wrong".length);
      const field = document.getElementById(name);
      const isTouched = touched.has(name) || (name === "type" && touched.has("kind"));
      const text = isTouched ? errors[name] ?? "" : "";
      // What the server wrote into the page stays until its field is touched.
      if (!isTouched && place.textContent) continue;
      if (place.textContent !== text) place.textContent = text;
      if (text) field?.setAttribute("aria-invalid", "true");
      else field?.removeAttribute("aria-invalid");
    }
  }

  async function check() {
    const mine = ++latest;
    try {
      const answer = await fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (!answer.ok || mine !== latest) return;
      const { errors, preview: text } = await answer.json();
      show(errors);
      preview.textContent = text ?? "–";
    } catch {
      // Without an answer the form is checked when it is sent.
    }
  }

  form.addEventListener("input", (event) => {
    touched.add(event.target.name);
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE_MS);
  });
  form.addEventListener("submit", () => clearTimeout(timer));
})();
