// What pages do beyond what htmx does: copying with a click. Without scripts all of it can be read and selected.
document.addEventListener("click", (event) => {
  const box = event.target.closest("pre.copy");
  if (!box || !navigator.clipboard || String(getSelection())) return;
  navigator.clipboard.writeText(box.textContent).then(() => {
    box.classList.add("copied");
    setTimeout(() => box.classList.remove("copied"), 2000);
  });
});
