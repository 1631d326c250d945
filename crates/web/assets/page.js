// What pages do beyond what htmx does: copying with a click. Without scripts all of it can be read and selected.
const copy = (box) =>
  navigator.clipboard.writeText(box.textContent).then(() => {
    box.classList.add("copied");
    setTimeout(() => box.classList.remove("copied"), 2000);
  });

document.addEventListener("click", (event) => {
  const box = event.target.closest("pre.copy");
  if (box && navigator.clipboard && !String(getSelection())) copy(box);
});

for (const button of document.querySelectorAll("[data-copies]")) {
  if (!navigator.clipboard) break;
  button.addEventListener("click", () => copy(button.parentElement.querySelector("pre.copy")));
  button.hidden = false;
}

// Boxes of a list that are checked together.
for (const label of document.querySelectorAll("[data-pick-all]")) {
  const all = label.querySelector("input");
  const form = label.closest("form");
  const boxes = [...form.querySelectorAll("input[type=checkbox][name]")];
  const tell = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  };
  form.addEventListener("change", (event) => {
    if (event.target === all) boxes.forEach((box) => (box.checked = all.checked));
    tell();
  });
  // Going back brings what was checked.
  addEventListener("pageshow", tell);
  label.hidden = false;
}

// Lists that grow as one looks: old lines make room, and what comes waits while a button says so.
for (const list of document.querySelectorAll("ol[data-most]")) {
  const most = Number(list.dataset.most);
  const button = document.querySelector(`[data-pauses="${list.id}"]`);
  const isPaused = () => button.getAttribute("aria-pressed") === "true";
  let waiting = [];
  const cut = () => {
    while (list.children.length > most) list.firstElementChild.remove();
  };
  list.addEventListener("htmx:sseBeforeMessage", (event) => {
    if (!isPaused()) return;
    event.preventDefault();
    // Each message has a line at least, so more of them are never needed.
    waiting = [...waiting.slice(1 - most), event.detail.data];
  });
  list.addEventListener("htmx:sseMessage", cut);
  button.addEventListener("click", () => {
    const goesOn = isPaused();
    button.setAttribute("aria-pressed", String(!goesOn));
    if (!goesOn) return;
    list.insertAdjacentHTML("beforeend", waiting.join(""));
    waiting = [];
    cut();
  });
  button.hidden = false;
}
