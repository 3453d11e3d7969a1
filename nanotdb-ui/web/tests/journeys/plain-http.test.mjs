import assert from "node:assert/strict";
import { launch, open } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

journey("commands are copied on plain http too, where browsers give no clipboard", async ({ server }) => {
  const browser = await launch(["--host-resolver-rules=MAP box 127.0.0.1"]);
  try {
    const { page, context, check } = await open(browser, server.url.replace("127.0.0.1", "box"));
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await page.getByRole("button", { name: "Copy curl command" }).click();
    await page.getByText("Copied").waitFor();
    const command = await page.getByRole("region", { name: "curl command" }).innerText();
    // What was copied is what is pasted.
    await page.evaluate(() => document.body.append(Object.assign(document.createElement("textarea"), { id: "paste" })));
    await page.locator("#paste").focus();
    await page.keyboard.press("Control+v");
    assert.equal((await page.locator("#paste").inputValue()).trim(), command.trim());
    await context.close();
    check();
  } finally {
    await browser.close();
  }
});
