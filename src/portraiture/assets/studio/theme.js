'use strict';
// Before the first paint: the theme that was chosen last.
{
  let kept = null;
  try { kept = localStorage.getItem('portraiture-theme'); } catch { /* storage is off */ }
  if (kept === 'dark' || kept === 'light') document.documentElement.dataset.theme = kept;
}
