// Ask who labels: by the button at the head of every page, and once where several people work.
import { find } from "../lib/dom.js";
import { notify } from "../lib/notices.js";
import { isAsked, setUserName, userName } from "../lib/user.js";

const button = find("#user", HTMLButtonElement);
const dialog = find("#person", HTMLDialogElement);
const field = find("#person input", HTMLInputElement);
const { shared } = document.documentElement.dataset;

function show() {
  const name = userName();
  button.textContent = name || "Your name";
  button.title = name
    ? `What you label is kept under the name ${name}`
    : "Give your name: it is kept beside what you label";
}

function ask() {
  field.value = userName();
  dialog.showModal();
  field.select();
}

button.addEventListener("click", ask);
find("#person form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  field.setCustomValidity(
    /\p{C}/u.test(field.value) ? "Letters that can't be seen are no part of a name." : "",
  );
  if (!field.reportValidity()) return;
  dialog.close();
  if (!setUserName(field.value.trim())) {
    notify("This browser stores nothing, so that it can't keep your name.", { kind: "bad" });
  }
  show();
});
dialog.addEventListener("close", () => isAsked() || setUserName("")); // and it is not asked again
find("#person-close").addEventListener("click", () => dialog.close());
field.addEventListener("input", () => field.setCustomValidity(""));
show();
if (shared !== undefined && !isAsked()) ask();
