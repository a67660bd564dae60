// The timeline needs no script; with one, it can be printed from the page.
const button = document.querySelector("[data-print]");
button.hidden = false;
button.addEventListener("click", () => window.print());
