/** Whether the page is laid out for paper: light, as wide as that, with every chart drawn. */
import { signal } from "@preact/signals";

export const printing = signal(false);

addEventListener("beforeprint", () => {
  document.documentElement.classList.add("printing");
  printing.value = true;
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("printing");
  printing.value = false;
});
