// A browser with the studio's page, and what the checks do in it.

import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
];
export const WIDE = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

export async function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS });
}

// A page that has loaded everything it needs; `problems` collects what it complains about.
export async function open(browser, address, problems, { viewport = WIDE, colorScheme = 'light', reducedMotion = 'reduce' } = {}) {
  const context = await browser.newContext({
    viewport, colorScheme, reducedMotion, acceptDownloads: true,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(90000);
  let bytes = 0;
  page.on('requestfinished', async (request) => {
    if (request.url().includes('/api/')) return;
    const { responseBodySize, responseHeadersSize } = await request.sizes();
    bytes += responseBodySize + responseHeadersSize;
  });
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    if (!/^(blob:)?http:\/\/127\.0\.0\.1[:/]|^data:/.test(request.url())) problems.push(`asked ${request.url()}`);
  });
  await page.goto(address);
  await page.waitForFunction(() => window.portrait);
  return { page, weight: () => bytes };
}

// Until the program owes the page nothing and the page has sent everything.
export const settled = (page) => page.waitForFunction(() => {
  const { avatar } = window.portrait;
  return avatar.about && avatar.waiting === 0 && Object.keys(avatar.pending).length === 0;
});

// Move a slider by its name as a hand does: one gesture, several values.
export async function slide(page, label, values) {
  const input = page.getByRole('slider', { name: label }).and(page.locator(':visible')).first();
  await input.dispatchEvent('pointerdown');
  for (const value of values) {
    await input.evaluate((node, x) => {
      node.value = x;
      node.dispatchEvent(new Event('input', { bubbles: true }));
    }, value);
    await page.waitForTimeout(40);
  }
  await input.dispatchEvent('change');
}

// How many edits can be undone.
export const undoable = async (page) => {
  await settled(page);
  return page.evaluate(() => window.portrait.avatar.about.undo);
};

export const skin = (page) => page.evaluate(() => {
  const item = window.portrait.stage.items.find(({ mesh }) => mesh.name === 'skin');
  return [...item.position];
});

export const farthest = (a, b) => {
  let most = 0;
  for (let k = 0; k < a.length; k += 3) {
    most = Math.max(most, Math.hypot(a[k] - b[k], a[k + 1] - b[k + 1], a[k + 2] - b[k + 2]));
  }
  return most;
};

export async function drag(page, selector, { from = [0.5, 0.5], by = [120, 0], steps = 12, pause = 30 } = {}) {
  const box = await page.locator(selector).boundingBox();
  const [x, y] = [box.x + box.width * from[0], box.y + box.height * from[1]];
  await page.mouse.move(x, y);
  await page.mouse.down();
  for (let k = 1; k <= steps; k += 1) {
    await page.mouse.move(x + (by[0] * k) / steps, y + (by[1] * k) / steps);
    await page.waitForTimeout(pause);
  }
  await page.mouse.up();
}
