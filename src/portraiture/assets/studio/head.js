// The neural head tab.

export function buildHead(avatar, panel) {
  return { made: false, reveal() {}, compare() {}, look() {}, panel, avatar };
}
