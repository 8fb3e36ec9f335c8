// Uses the studio as somebody would: node studio.mjs ADDRESS PHOTO OUT. Prints what it measured.

import { writeFile } from 'node:fs/promises';
import {
  drag, farthest, launch, open, PHONE, settled, skin, slide, undoable, WIDE,
} from './page.mjs';

const [address, photo, out] = process.argv.slice(2);
const problems = [];
const measured = {};
const browser = await launch();
const { page, weight } = await open(browser, address, problems);
const shot = (name) => page.screenshot({ path: `${out}/${name}.png` });
const tab = (name) => page.getByRole('tab', { name, exact: true }).click();

async function makeOfPhoto() {
  await page.waitForTimeout(500);
  measured.page_bytes = weight();
  await shot('start');
  await page.setInputFiles('#photo', photo);
  await page.waitForTimeout(2000);
  await shot('work');
  await page.waitForFunction(() => window.portrait.firstAvatarMs);
  measured.first_avatar_ms = await page.evaluate(() => window.portrait.firstAvatarMs);
  await page.waitForTimeout(1500);
  await shot('avatar');
}

// A shape slider moves the mesh before the program answers, and the exact mesh is the same.
async function moveNose() {
  const before = await skin(page);
  await page.getByText('Nose', { exact: true }).click();
  await page.getByRole('slider', { name: 'Nose, length' }).hover();
  await page.waitForFunction(() => window.portrait.avatar.moves.get('shape:nose_scale_vert'));
  const revision = await page.evaluate(() => window.portrait.avatar.about.revision);
  await slide(page, 'Nose, length', [0.6, 0.7, 0.8, 0.95]);
  const shown = await skin(page);
  measured.preview_before_answer = revision === await page.evaluate(
    () => window.portrait.avatar.about.revision);
  const released = Date.now();
  await settled(page);
  measured.exact_ms = Date.now() - released;
  const exact = await skin(page);
  measured.preview_moved_mm = 1000 * farthest(before, shown);
  measured.preview_error_mm = 1000 * farthest(shown, exact);
  await page.keyboard.press('Control+z');
  await page.waitForFunction(() => window.portrait.avatar.about.redo === 1);
  measured.undo_error_mm = 1000 * farthest(before, await skin(page));
  await page.keyboard.press('Control+Shift+z');
  await page.waitForFunction(() => window.portrait.avatar.about.redo === 0);
  measured.redo_error_mm = 1000 * farthest(exact, await skin(page));
}

// Only the parts that an edit touches are sent.
async function dyeHair() {
  await tab('Hair');
  await page.getByText('Colour', { exact: true }).click();
  const sent = page.waitForResponse(
    (response) => response.url().endsWith('/avatar/parts') && response.status() === 200);
  await page.getByRole('button', { name: 'Red', exact: true }).first().click();
  const body = await (await sent).body();
  const about = JSON.parse(body.subarray(4, 4 + body.readUInt32LE(0)).toString());
  measured.sent_for_hair = about.parts.filter(({ length }) => length).map(({ name }) => name);
  await settled(page);
  await page.getByRole('radiogroup', { name: 'Hair style' }).scrollIntoViewIfNeeded();
  await page.waitForFunction(() => document.querySelectorAll('#controls img.there').length > 8);
  await page.waitForTimeout(1500);
  await shot('hair');
  await page.locator('#before').dispatchEvent('pointerdown');
  measured.before_shows_original = await page.evaluate(
    () => window.portrait.stage.shown === window.portrait.stage.original);
  await page.locator('#before').dispatchEvent('pointerup');
}

async function smile() {
  await tab('Expression');
  await page.getByRole('button', { name: 'Surprised' }).click();
  await page.waitForFunction(() => window.portrait.avatar.about.expression.browOuterUpLeft === 0.8);
  await settled(page);
  await page.waitForTimeout(1200);
  measured.jaw_open = await page.evaluate(() => window.portrait.avatar.about.expression.jawOpen);
  await shot('expression');
}

// Each drag, each control and each run of keys is one edit, also after the page was loaded anew.
async function undoSteps() {
  await tab('Face');
  const first = await undoable(page);
  for (const [label, end] of [['Nose, length', 0.9], ['Age', 0.6]]) {
    await page.getByRole('slider', { name: label, exact: true }).evaluate((node, value) => {
      node.dispatchEvent(new Event('pointerdown'));
      node.value = value;
      node.dispatchEvent(new Event('input', { bubbles: true }));
    }, end);
  }
  measured.undo_of_two_controls = await undoable(page) - first;
  await page.getByRole('slider', { name: 'Age', exact: true }).focus();
  for (let k = 0; k < 5; k += 1) await page.keyboard.press('ArrowRight');
  measured.undo_of_keys = await undoable(page) - first - measured.undo_of_two_controls;
  await page.reload();
  await page.waitForFunction(() => window.portrait);
  const before = await undoable(page);
  await slide(page, 'Age', [0.3, 0.35]);
  measured.undo_after_reload = await undoable(page) - before;
  for (let k = await undoable(page); k > first; k -= 1) {
    await page.getByRole('button', { name: 'Undo' }).click();
    await settled(page);
  }
}

// With motion: moods ease in and can be taken back; the view rests where it was left, drawn sharply.
async function motion() {
  const other = await open(browser, address, problems, { reducedMotion: 'no-preference' });
  await settled(other.page);
  await other.page.getByRole('button', { name: 'Front' }).click();
  await other.page.waitForTimeout(3000);
  measured.rest = await other.page.evaluate(() => {
    const { stage } = window.portrait;
    return { yaw: stage.yaw, sharp: stage.canvas.width >= stage.canvas.clientWidth };
  });
  const brow = () => other.page.evaluate(
    () => window.portrait.stage.weights.browOuterUpLeft || 0);
  await other.page.getByRole('tab', { name: 'Expression', exact: true }).click();
  await other.page.getByRole('button', { name: 'Neutral' }).click();
  await other.page.waitForTimeout(1000);
  await settled(other.page);
  measured.neutral_brow = await brow();
  await other.page.getByRole('button', { name: 'Undo' }).click();
  await other.page.waitForFunction(
    () => window.portrait.avatar.about.expression.browOuterUpLeft === 0.8);
  await settled(other.page);
  measured.undone_brow = await brow();
  await other.page.context().close();
}

// Cancel counts before the program has told what the work is called; drops during it do not.
async function cancelEarly() {
  const person = await page.evaluate(() => JSON.stringify(window.portrait.avatar.about.parameters));
  await page.route('**/api/avatar/seed', async (route) => {
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
    await route.continue();
  });
  await page.locator('#home').click();
  await page.getByRole('button', { name: 'Random person' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.evaluate(() => {
    const dropped = new DragEvent('drop', { dataTransfer: new DataTransfer(), cancelable: true });
    dropped.dataTransfer.items.add(new File(['{}'], 'other.json'));
    window.dispatchEvent(dropped);
  });
  await page.waitForFunction(() => document.body.dataset.screen === 'start');
  measured.focus_after_cancel = await page.evaluate(() => document.activeElement.textContent.trim());
  await page.getByRole('button', { name: 'Back to the avatar' }).click();
  await page.evaluate(() => window.portrait.avatar.load());
  measured.kept_by_cancel = person === await page.evaluate(
    () => JSON.stringify(window.portrait.avatar.about.parameters));
  await page.unroute('**/api/avatar/seed');
}

async function download(kind) {
  const coming = page.waitForEvent('download');
  await page.locator(`#panel-files [data-file="${kind}"]`).first().click();
  const file = await coming;
  await file.saveAs(`${out}/${file.suggestedFilename()}`);
}

async function files() {
  await tab('Download');
  await shot('download');
  for (const kind of ['glb', 'json', 'png']) await download(kind);
  await page.locator('#panel-files [data-file="turntable"]').first().click();
  await page.getByText(/turntable|Build the avatar|Starting/i).first().waitFor();
  await page.waitForTimeout(1500);
  const asked = Date.now();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.waitForFunction(() => document.body.dataset.screen === 'studio');
  measured.cancel_ms = Date.now() - asked;
}

async function light() {
  await tab('Light');
  await page.getByRole('button', { name: 'Sunset' }).click();
  await page.waitForTimeout(1500);
  await shot('light');
  await page.getByRole('button', { name: 'Studio', exact: true }).click();
}

async function neuralHead() {
  await tab('Neural head');
  await shot('head_empty');
  await page.getByRole('button', { name: 'Head of the seed' }).click();
  await page.waitForFunction(() => window.portrait.head.made && window.portrait.head.view.sharp);
  await page.evaluate(() => { window.portrait.head.view.frames.length = 0; });
  await drag(page, '#head-canvas', { by: [200, 20], steps: 120, pause: 25 });
  measured.head_frames_per_s = await page.evaluate(() => {
    const { frames } = window.portrait.head.view;
    return (1000 * (frames.length - 1)) / (frames.at(-1) - frames[0]);
  });
  const rest = () => page.waitForFunction(() => {
    const { view, edits } = window.portrait.head;
    return view.sharp && !view.asking && !view.wanted && !edits.sending;
  });
  await rest();
  measured.head_sharp_ms = await page.evaluate(() => window.portrait.head.view.sharpMs);
  await page.getByRole('button', { name: 'Front' }).click();
  await page.locator('[data-edit="smile"]').evaluate((node) => {
    node.value = 2;
    node.dispatchEvent(new Event('input', { bubbles: true }));
    node.dispatchEvent(new Event('change', { bubbles: true }));
  });
  await page.waitForTimeout(1000);
  await rest();
  await shot('head');
}

// Every tab in the dark, wide and as narrow as a phone, with what the session has.
async function looks() {
  for (const [look, options] of [
    ['dark', { colorScheme: 'dark', viewport: WIDE }],
    ['phone', { colorScheme: 'light', viewport: PHONE }],
    ['phone_dark', { colorScheme: 'dark', viewport: PHONE }],
  ]) {
    const other = await open(browser, address, problems, options);
    await other.page.waitForFunction(() => window.portrait.avatar.about && window.portrait.avatar.waiting === 0);
    for (const name of ['Avatar', 'Neural head', 'Light', 'Download']) {
      await other.page.getByRole('tab', { name, exact: true }).click();
      await other.page.waitForTimeout(2500);
      await other.page.screenshot({ path: `${out}/${look}_${name.toLowerCase().replace(' ', '_')}.png` });
    }
    measured[`${look}_overflow_px`] = await other.page.evaluate(
      () => document.documentElement.scrollWidth - window.innerWidth);
    await other.page.locator('#home').click();
    await other.page.screenshot({ path: `${out}/${look}_start.png` });
    await other.page.context().close();
  }
}

const STEPS = [
  makeOfPhoto, moveNose, dyeHair, smile, motion, undoSteps, cancelEarly, files, light, neuralHead, looks,
];
const only = (process.env.STEPS || '').split(',').filter(Boolean);
for (const step of STEPS.filter(({ name }) => only.length === 0 || only.includes(name))) {
  const began = Date.now();
  await step();
  console.error(`${step.name}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
}
measured.problems = problems;
await writeFile(`${out}/measured.json`, JSON.stringify(measured, null, 1));
console.log(JSON.stringify(measured));
await browser.close();
